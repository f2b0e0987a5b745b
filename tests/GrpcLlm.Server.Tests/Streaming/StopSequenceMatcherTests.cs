using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Streaming;

public sealed class StopSequenceMatcherTests
{
    [Fact]
    public void AnyText_CutAnywhere_EndsAtTheFirstCompleteMatch() => Properties.HoldsForSeeds(
        random =>
        {
            var sequences = Enumerable.Range(0, random.Next(1, 5)).Select(_ => RandomText(random, 1, 6))
                .Distinct(StringComparer.Ordinal).ToList();
            var text = RandomText(random, 0, 25);
            var (before, found) = Reference(sequences, text);

            var matcher = new StopSequenceMatcher(sequences);
            var given = string.Concat(Properties.Cut(random, text).Select(matcher.Push));
            matcher.Found.ShouldBe(found);
            given += matcher.Flush();

            given.ShouldBe(before);
        },
        count: 5000);

    [Fact]
    public void Push_NeverGivesWhatCouldStillBelongToAMatch() => Properties.HoldsForSeeds(
        random =>
        {
            var sequences = new List<string> { RandomText(random, 1, 5), RandomText(random, 1, 5) };
            var matcher = new StopSequenceMatcher(sequences);
            var seen = "";
            var given = "";
            foreach (var unit in RandomText(random, 0, 20))
            {
                seen += unit;
                given += matcher.Push(unit.ToString());
                if (matcher.Found is not null) break;

                // Held back: the longest end of the text that is the beginning of a sequence; no more, no less.
                var held = Enumerable.Range(0, seen.Length + 1).Select(start => seen[start..])
                    .First(end => sequences.Exists(one => one.StartsWith(end, StringComparison.Ordinal)));
                given.ShouldBe(seen[..^held.Length]);
            }
        },
        count: 3000);

    [Theory]
    [InlineData(new[] { "abcd", "bc" }, "xabcd", "xa", "bc")]
    [InlineData(new[] { "bcd", "abcd" }, "xabcd", "x", "abcd")]
    [InlineData(new[] { "aab" }, "aaab", "a", "aab")]
    [InlineData(new[] { "\n\n" }, "a\nb\n\nc", "a\nb", "\n\n")]
    [InlineData(new[] { "😀!" }, "😀😀!", "😀", "😀!")]
    public void Match_EarliestCompleteThenLongest(string[] sequences, string text, string before, string found)
    {
        var matcher = new StopSequenceMatcher(sequences);

        matcher.Push(text).ShouldBe(before);
        matcher.Found.ShouldBe(found);
    }

    [Fact]
    public void Push_AfterAMatch_GivesNothing()
    {
        var matcher = new StopSequenceMatcher(["b"]);
        matcher.Push("ab").ShouldBe("a");

        matcher.Push("cd").ShouldBe("");
        matcher.Flush().ShouldBe("");
        matcher.Found.ShouldBe("b");
    }

    [Fact]
    public void Flush_GivesWhatWasHeldOnce()
    {
        var matcher = new StopSequenceMatcher(["END"]);
        matcher.Push("xEN").ShouldBe("x");

        matcher.Flush().ShouldBe("EN");
        matcher.Flush().ShouldBe("");
        matcher.Push("D").ShouldBe("D");
        matcher.Found.ShouldBeNull();
    }

    [Fact]
    public void Push_TextThatHoldsNothingBack_IsGivenWithoutACopy()
    {
        var matcher = new StopSequenceMatcher(["END"]);
        var text = new string('x', 5);

        matcher.Push(text).ShouldBeSameAs(text);
    }

    private static string RandomText(Random random, int least, int most) =>
        new(Enumerable.Range(0, random.Next(least, most + 1)).Select(_ => "aab\uD83D\uDE00"[random.Next(5)]).ToArray());

    private static (string Before, string? Found) Reference(List<string> sequences, string text)
    {
        for (var end = 1; end <= text.Length; end++)
        {
            var found = sequences.Where(one => text[..end].EndsWith(one, StringComparison.Ordinal)).MaxBy(one => one.Length);
            if (found is not null) return (text[..(end - found.Length)], found);
        }

        return (text, null);
    }
}
