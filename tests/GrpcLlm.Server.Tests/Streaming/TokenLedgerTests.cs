using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Streaming;

public sealed class TokenLedgerTests
{
    [Fact]
    public void Gaps_HoweverTokensAreMoved_SumToTheLastArrival() => Properties.HoldsForSeeds(random =>
    {
        var ledger = new TokenLedger();
        var chunks = new List<TokenChunk> { new() };
        long arrival = 0;
        long last = 0;
        uint tokens = 0;
        for (var index = random.Next(0, 30); index > 0; index--)
        {
            arrival += random.Next(0, 1000);
            var count = (uint)random.Next(0, 4);
            ledger.Add(count, arrival, null);
            tokens += count;
            if (count > 0) last = arrival;
            if (random.Next(2) == 0) ledger.MoveTo(chunks[^1]);
            if (random.Next(2) == 0) chunks.Add(new TokenChunk());
        }

        ledger.MoveTo(chunks[^1]);

        chunks.Sum(static chunk => chunk.TokenGapsUs.Sum(static gap => (long)gap)).ShouldBe(last);
        chunks.Sum(static chunk => chunk.TokenCount).ShouldBe(tokens);
        chunks.ShouldAllBe(static chunk => chunk.TokenGapsUs.Count == chunk.TokenCount);
        ledger.Count.ShouldBe(0u);
    });

    [Fact]
    public void Add_SeveralTogether_GivesGapAndZeros()
    {
        var ledger = new TokenLedger();
        var chunk = new TokenChunk();
        ledger.Add(1, 70, null);
        ledger.Add(3, 100, null);
        ledger.Count.ShouldBe(4u);

        ledger.MoveTo(chunk);

        chunk.TokenGapsUs.ShouldBe([70u, 30, 0, 0]);
        chunk.TokenCount.ShouldBe(4u);
    }

    [Fact]
    public void Add_AGapTooLongForTheField_Saturates()
    {
        var ledger = new TokenLedger();
        var chunk = new TokenChunk();
        ledger.Add(1, 1L << 33, null);
        ledger.Add(1, (1L << 33) + 5, null);

        ledger.MoveTo(chunk);

        chunk.TokenGapsUs.ShouldBe([uint.MaxValue, 5]);
    }

    [Fact]
    public void Details_MoveWithTheirTokensInOrder()
    {
        var ledger = new TokenLedger();
        var chunk = new TokenChunk();
        ledger.Add(1, 1, [new TokenDetail { Id = 7 }]);
        ledger.Add(2, 2, [new TokenDetail { Id = 8 }, new TokenDetail { Id = 9 }]);

        ledger.MoveTo(chunk);
        ledger.MoveTo(chunk);

        chunk.Tokens.Select(static token => token.Id).ShouldBe([7u, 8, 9]);
    }
}
