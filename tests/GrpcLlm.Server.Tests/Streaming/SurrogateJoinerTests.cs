using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Streaming;

public sealed class SurrogateJoinerTests
{
    private const string Units = "aé€\uD83D\uDE00\uDBFF\uDFFF\uD800\uDC00\uFFFD\0";

    [Fact]
    public void AnyText_CutAnywhere_BecomesWholeOnce() => Properties.HoldsForSeeds(
        random =>
        {
            var text = new string(Enumerable.Range(0, random.Next(0, 12)).Select(_ => Units[random.Next(Units.Length)]).ToArray());

            Join(Properties.Cut(random, text)).ShouldBe(Whole(text));
        },
        count: 3000);

    [Fact]
    public void Push_GivesWholeCodePointsOnly() => Properties.HoldsForSeeds(random =>
    {
        var joiner = new SurrogateJoiner();
        for (var index = 0; index < 20; index++)
        {
            var given = joiner.Push(new string(Units[random.Next(Units.Length)], 1));

            given.ShouldBe(Whole(given));
        }
    });

    [Fact]
    public void Push_OrdinaryText_IsGivenWithoutACopy()
    {
        var joiner = new SurrogateJoiner();
        var text = new string('x', 5);

        joiner.Push(text).ShouldBeSameAs(text);
    }

    [Fact]
    public void Flush_GivesTheLoneHalfOnce()
    {
        var joiner = new SurrogateJoiner();

        joiner.Push("a\uD83D").ShouldBe("a");
        joiner.Flush().ShouldBe("\uFFFD");
        joiner.Flush().ShouldBe("");
        joiner.Push("\uDE00").ShouldBe("\uFFFD");
    }

    private static string Join(IEnumerable<string> pieces)
    {
        var joiner = new SurrogateJoiner();
        var joined = string.Concat(pieces.Select(piece => joiner.Push(piece)));
        return joined + joiner.Flush();
    }

    // Lone halves become U+FFFD, one each.
    private static string Whole(string text) => string.Concat(text.EnumerateRunes().Select(static rune => rune.ToString()));
}
