using System.Text.RegularExpressions;
using GrpcLlm.Server.Backends.Embedded.Structured;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Structured;

/// <summary>Patterns against .NET's own regular expressions.</summary>
public sealed class PatternTests
{
    private static readonly string[] Atoms = ["a", "b", ".", "[ab]", "[^a]", "[a-c]", @"\d", @"\w", @"\S", "é", @"\.", "c", "1"];

    private static readonly string[] Marks = ["", "", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"];

    [Fact]
    public void RandomPattern_RandomText_MatchesAsDotNetDoes()
    {
        var (matched, refused) = (0, 0);
        Properties.HoldsForSeeds(random =>
        {
            var pattern = Pattern(random);
            if (TryCompile(pattern) is not { } dfa)
            {
                refused++;
                return;
            }

            var regex = Reference(pattern);
            for (var i = 0; i < 20; i++)
            {
                var text = new string(random.GetItems("aabbc1é.".AsSpan(), random.Next(0, 9)));
                var isMatch = regex.IsMatch(text);
                Accepts(dfa, text).ShouldBe(isMatch, $"{pattern} on '{text}'");
                if (isMatch) matched++;
            }
        });
        matched.ShouldBeGreaterThan(500);
        refused.ShouldBeLessThan(60); // repetitions within repetitions explode
    }

    [Fact]
    public void RandomPattern_WithLengths_MatchesWithin()
    {
        Properties.HoldsForSeeds(random =>
        {
            var pattern = Pattern(random);
            var (min, max) = (random.Next(0, 4), random.Next(4, 8));
            if (TryCompile(pattern)?.WithLength(min, max, new StepBudget(StructuredLimits.PatternSteps)) is not { } dfa) return;
            for (var i = 0; i < 20; i++)
            {
                var text = new string(random.GetItems("aabbc1é.".AsSpan(), random.Next(0, 10)));
                var isMatch = text.Length >= min && text.Length <= max && Reference(pattern).IsMatch(text);
                Accepts(dfa, text).ShouldBe(isMatch, $"{pattern} on '{text}' with {min} to {max}");
            }
        }, 150);
    }

    /// <summary>
    /// .NET's automaton, with the classes as ECMAScript has them. Its backtracking engine finds matches that are none where a
    /// lazy repetition may be empty: <c>^((.{2,}|c?)*?a){2}</c> in <c>.aab</c>.
    /// </summary>
    private static Regex Reference(string pattern) => new(
        pattern.Replace(@"\d", "[0-9]", StringComparison.Ordinal).Replace(@"\w", "[A-Za-z0-9_]", StringComparison.Ordinal),
        RegexOptions.NonBacktracking, TimeSpan.FromSeconds(10));

    [Theory]
    [InlineData(@"^\u00e9\x41\t$", "éA\t", "eA\t")]
    [InlineData(@"^[\d_-]+$", "1-_", "a")]
    [InlineData(@"^a|b$", "ax", "xa")]
    [InlineData("^(?:ab)+$", "abab", "aba")]
    [InlineData("^.$", "😀", "\n")]
    public void Pattern_Matches(string pattern, string match, string other)
    {
        var dfa = PatternDfa.Compile(pattern, new StepBudget(StructuredLimits.PatternSteps));
        Accepts(dfa, match).ShouldBeTrue();
        Accepts(dfa, other).ShouldBeFalse();
    }

    [Fact]
    public void Utf8Ranges_AnyRange_MatchExactlyItsCharacters()
    {
        Properties.HoldsForSeeds(random =>
        {
            var low = Scalar(random);
            var high = Scalar(random);
            if (low > high) (low, high) = (high, low);
            if (low < 0xD800 && high > 0xDFFF) return;
            var sequences = Utf8Ranges.Split(low, high).ToList();
            foreach (var probe in (int[])[low, high, Scalar(random), Scalar(random), Math.Max(low - 1, 0)])
            {
                if (probe is >= 0xD800 and <= 0xDFFF) continue;
                var bytes = System.Text.Encoding.UTF8.GetBytes(char.ConvertFromUtf32(probe));
                var matches = sequences.Count(sequence => sequence.Length == bytes.Length
                    && sequence.Zip(bytes).All(pair => pair.Second >= pair.First.Low && pair.Second <= pair.First.High));
                matches.ShouldBe(probe >= low && probe <= high ? 1 : 0, $"{probe:x} in {low:x} to {high:x}");
            }
        });
    }

    private static int Scalar(Random random)
    {
        var value = random.Next(4) switch
        {
            0 => random.Next(0x80),
            1 => random.Next(0x800),
            2 => random.Next(0x10000),
            _ => random.Next(0x110000),
        };
        return value is >= 0xD800 and <= 0xDFFF ? 0xE000 : value;
    }

    private static string Pattern(Random random)
    {
        var body = Sequence(random, 2);
        return (random.Next(2) == 0 ? "^" : "") + body + (random.Next(2) == 0 ? "$" : "");

        static string Sequence(Random random, int depth) =>
            string.Concat(Enumerable.Range(0, random.Next(1, 4)).Select(_ =>
                (depth > 0 && random.Next(3) == 0
                    ? $"({Sequence(random, depth - 1)}|{Sequence(random, depth - 1)})"
                    : Atoms[random.Next(Atoms.Length)])
                + Marks[random.Next(Marks.Length)]));
    }

    private static CodePointDfa? TryCompile(string pattern)
    {
        try
        {
            return PatternDfa.Compile(pattern, new StepBudget(StructuredLimits.PatternSteps));
        }
        catch (PatternException exception) when (exception.Message.StartsWith("needs too large", StringComparison.Ordinal))
        {
            return null;
        }
    }

    private static bool Accepts(CodePointDfa dfa, string text)
    {
        var state = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            var arc = dfa.ArcsOf(state).SingleOrDefault(arc => arc.Low <= rune.Value && rune.Value <= arc.High, new CodePointArc(0, 0, -1));
            if (arc.Target < 0) return false;
            state = arc.Target;
        }

        return dfa.Accepts(state);
    }
}
