using Google.Protobuf;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Streaming;

public sealed class DeltaAssemblerTests
{
    private readonly ChunkQueue _queue = new();
    private readonly GenerationRecord _record = new(new CallClock(new FakeTimeProvider()), "r");
    private long _now;

    [Fact]
    public void Accept_HalfACharacter_WaitsAndCountsOnTheChunkThatReleasesIt()
    {
        var assembler = Assembler();

        Accept(assembler, BackendEvent.TextDelta("a\uD83D"));
        Drain().ShouldBe([Chunk("a", 1)]);
        Accept(assembler, BackendEvent.TextDelta("", 1));
        Drain().ShouldBeEmpty();
        Accept(assembler, BackendEvent.TextDelta("\uDE00b"));
        Drain().ShouldBe([Chunk("😀b", 1, 1)]);
    }

    [Fact]
    public void Accept_PossibleStopSequence_CountsWhereItIsReleased()
    {
        var assembler = Assembler("END");

        Accept(assembler, BackendEvent.TextDelta("xE")).ShouldBeNull();
        Drain().ShouldBe([Chunk("x", 1)]);
        Accept(assembler, BackendEvent.TextDelta("N")).ShouldBeNull();
        Drain().ShouldBeEmpty();
        Accept(assembler, BackendEvent.TextDelta("y")).ShouldBeNull();

        Drain().ShouldBe([Chunk("ENy", 1, 1)]);
    }

    [Fact]
    public void Accept_StopSequence_IsToldAndItsTokensCountOnTheLastMessage()
    {
        var assembler = Assembler("END");

        Accept(assembler, BackendEvent.TextDelta("E"));
        Accept(assembler, BackendEvent.TextDelta("ND and more")).ShouldBe("END");
        _queue.IsEmpty.ShouldBeTrue();
        assembler.Close();

        Drain().ShouldBe([new TokenChunk { TokenCount = 2, TokenGapsUs = { 1, 1 } }]);
        _record.ReceivedTokens.ShouldBe(2u);
    }

    [Fact]
    public void Accept_StopSequenceInReasoningOrArguments_IsNotOne()
    {
        var assembler = Assembler("END");

        Accept(assembler, BackendEvent.ReasoningDelta("END")).ShouldBeNull();
        Accept(assembler, BackendEvent.RefusalDelta("END")).ShouldBeNull();
        Accept(assembler, BackendEvent.ToolCallPiece(new ToolCallDelta { ArgumentsFragment = "END" })).ShouldBeNull();

        Drain().Count.ShouldBe(3);
    }

    [Fact]
    public void Accept_AnotherKind_LetsOutWhatWasHeldFirst()
    {
        var assembler = Assembler("END");
        Accept(assembler, BackendEvent.TextDelta("xEN"));
        Accept(assembler, BackendEvent.ReasoningDelta("r\uD83D"));
        Accept(assembler, BackendEvent.ToolCallPiece(new ToolCallDelta { Name = "n", Id = "i" }, partIndex: 1));
        Accept(assembler, BackendEvent.TextDelta("D", partIndex: 2)).ShouldBeNull();

        Drain().Select(static chunk => (chunk.PartIndex, chunk.Text + chunk.Reasoning + chunk.ToolCall?.Name)).ShouldBe(
            [(0u, "xEN"), (0u, "r\uFFFD"), (1u, "n"), (2u, "D")]);
    }

    [Fact]
    public void Accept_AnotherPart_LetsOutWhatWasHeldOnItsOwnPart()
    {
        var assembler = Assembler("END");
        Accept(assembler, BackendEvent.TextDelta("E", partIndex: 0));
        Accept(assembler, BackendEvent.TextDelta("ND", partIndex: 1)).ShouldBeNull();

        Drain().Select(static chunk => (chunk.PartIndex, chunk.Text)).ShouldBe([(0u, "E"), (1u, "ND")]);
    }

    [Fact]
    public void Accept_SignatureAmongText_DoesNotHideAStopSequence()
    {
        var assembler = Assembler("END");
        Accept(assembler, BackendEvent.TextDelta("xEN"));
        Accept(assembler, BackendEvent.PartSignature(ByteString.CopyFromUtf8("s"), 0));

        Accept(assembler, BackendEvent.TextDelta("D")).ShouldBe("END");
        assembler.Close();

        string.Concat(Drain().Select(static chunk => chunk.Text)).ShouldBe("x");
    }

    [Fact]
    public void Accept_ReplacedHalfCharacterCompletesAStopSequence_IsTold()
    {
        var assembler = Assembler("\uFFFD");
        Accept(assembler, BackendEvent.TextDelta("x\uD83D")).ShouldBeNull();

        Accept(assembler, BackendEvent.ReasoningDelta("r")).ShouldBe("\uFFFD");
    }

    [Fact]
    public void Accept_ToolCallOfAnotherIndex_LetsOutTheHalfOnItsOwnCall()
    {
        var assembler = Assembler();
        Accept(assembler, BackendEvent.ToolCallPiece(new ToolCallDelta { Index = 0, ArgumentsFragment = "a\uD83D" }));
        Accept(assembler, BackendEvent.ToolCallPiece(new ToolCallDelta { Index = 1, ArgumentsFragment = "b" }));

        Drain().Select(static chunk => (chunk.ToolCall.Index, chunk.ToolCall.ArgumentsFragment)).ShouldBe(
            [(0u, "a\uFFFD"), (1u, "b")]);
    }

    [Fact]
    public void Accept_ToolCallSplitInACharacter_JoinsWithoutChangingTheBackendsMessage()
    {
        var assembler = Assembler();
        var first = new ToolCallDelta { Id = "i", Name = "n", ArgumentsFragment = "\"\uD83D" };
        Accept(assembler, BackendEvent.ToolCallPiece(first));
        Accept(assembler, BackendEvent.ToolCallPiece(new ToolCallDelta { ArgumentsFragment = "\uDE00\"", Done = true }));

        Drain().ShouldHaveSingleItem().ToolCall.ShouldBe(
            new ToolCallDelta { Id = "i", Name = "n", ArgumentsFragment = "\"😀\"", Done = true });
        first.ArgumentsFragment.ShouldBe("\"\uD83D");
    }

    [Fact]
    public void Close_LetsOutWhatWasHeld()
    {
        var assembler = Assembler("END");
        Accept(assembler, BackendEvent.TextDelta("EN\uD83D"));

        assembler.Close();

        Drain().ShouldBe([Chunk("EN\uFFFD", 1)]);
    }

    [Fact]
    public void FlushText_WithoutText_MakesNoMessage()
    {
        var assembler = Assembler();
        Accept(assembler, BackendEvent.TextDelta("", 1));

        assembler.FlushText();

        _queue.IsEmpty.ShouldBeTrue();
    }

    [Fact]
    public void Accept_AnyAnswerCutAnywhere_KeepsTextAndCountsEveryTokenOnce() => Properties.HoldsForSeeds(
        random =>
        {
            var queue = new ChunkQueue();
            var record = new GenerationRecord(new CallClock(new FakeTimeProvider()), "r");
            var assembler = new DeltaAssembler(queue, record, new StopSequenceMatcher(["stop", "😀😀"]));
            var text = string.Concat(Enumerable.Range(0, 30).Select(_ => "sto😀b\uD800"[random.Next(7)]));
            var tokens = 0u;
            var arrival = 0L;
            string? found = null;
            foreach (var piece in Properties.Cut(random, text))
            {
                var count = (uint)random.Next(0, 3);
                arrival += random.Next(1, 9);
                tokens += count;
                found = assembler.Accept(BackendEvent.TextDelta(piece, count), arrival);
                if (found is not null) break;
            }

            assembler.Close();

            var whole = string.Concat(text.EnumerateRunes().Select(static rune => rune.ToString()));
            var end = found is null ? whole.Length : whole.IndexOf(found, StringComparison.Ordinal);
            var chunks = Drain(queue);
            string.Concat(chunks.Select(static chunk => chunk.Text)).ShouldBe(whole[..end]);
            chunks.Sum(static chunk => chunk.TokenCount).ShouldBe(tokens);
            chunks.Sum(static chunk => chunk.TokenGapsUs.Sum(static gap => (long)gap)).ShouldBe(record.LastArrivalMicroseconds);
        },
        count: 2000);

    private DeltaAssembler Assembler(params string[] stops) =>
        new(_queue, _record, stops.Length == 0 ? null : new StopSequenceMatcher(stops));

    private string? Accept(DeltaAssembler assembler, BackendEvent piece) => assembler.Accept(piece, ++_now);

    private static TokenChunk Chunk(string text, params uint[] gaps) =>
        new() { Text = text, TokenCount = (uint)gaps.Length, TokenGapsUs = { gaps } };

    private List<TokenChunk> Drain() => Drain(_queue);

    private static List<TokenChunk> Drain(ChunkQueue queue)
    {
        var chunks = new List<TokenChunk>();
        while (!queue.IsEmpty)
        {
            var chunk = queue.Dequeue();
            chunks.Add(chunk.Clone());
            ChunkQueue.Recycle(chunk);
        }

        return chunks;
    }
}
