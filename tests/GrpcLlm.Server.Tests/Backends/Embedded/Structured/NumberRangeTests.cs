using System.Globalization;
using System.Text.Json;
using GrpcLlm.Server.Backends.Embedded.Structured;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Structured;

/// <summary>Ranges of numbers, digit by digit, against decimal arithmetic.</summary>
public sealed class NumberRangeTests
{
    [Fact]
    public void RandomIntegerRange_IsKeptExactly()
    {
        Properties.HoldsForSeeds(random =>
        {
            var range = RandomRange(random, digits: 0) with { FractionDigits = 0, MultipleOf = random.Next(4) == 0 ? random.Next(1, 13) : 1 };
            var grammar = GrammarOf(range, JsonTypes.Integer);
            foreach (var number in Probes(random, range, 1m)) Check(grammar, range, number, number % range.MultipleOf == 0);
        });
    }

    [Fact]
    public void RandomDecimalRange_IsKeptExactly()
    {
        Properties.HoldsForSeeds(random =>
        {
            var digits = random.Next(1, 5);
            var range = RandomRange(random, digits);
            if (random.Next(3) == 0) range = range with { FractionDigits = digits };
            var grammar = GrammarOf(range, JsonTypes.Number);
            foreach (var number in Probes(random, range, Power(-random.Next(0, digits + 2))))
                Check(grammar, range, number, number.Scale <= range.FractionDigits);
        });
    }

    [Theory]
    [InlineData("1e400", 1)]
    [InlineData("-9223372036854775808", -1)]
    public void TryReadBound_BeyondWhatIsWritten_IsJustThere(string json, int sign)
    {
        NumberRange.TryReadBound(JsonElement.Parse(json), out var bound).ShouldBeTrue();
        bound.ShouldBe(sign * 1_000_000_000_000_000m);
    }

    [Theory]
    [InlineData("1e-20")]
    [InlineData("0.1234567890123456")]
    public void TryReadBound_TooFine_IsRefused(string json) =>
        NumberRange.TryReadBound(JsonElement.Parse(json), out _).ShouldBeFalse();

    private static void Check(Grammar? grammar, NumberRange range, decimal number, bool isFineEnough)
    {
        var isWithin = (range.Low is not { } low || number > low || (number == low && !range.IsLowExclusive))
            && (range.High is not { } high || number < high || (number == high && !range.IsHighExclusive));
        var text = number.ToString(CultureInfo.InvariantCulture);
        if (text is "-0" or "-0.0" or "-0.00" or "-0.000" or "-0.0000" or "-0.00000") return;
        var isWritten = grammar is not null && StructuredRun.Accepts(grammar, text);
        isWritten.ShouldBe(isWithin && isFineEnough, $"{text} in {range}");
    }

    private static Grammar? GrammarOf(NumberRange range, JsonTypes type) =>
        GrammarCompiler.Compile(new SchemaNode("#") { Types = type, Numbers = range }, JsonTypes.All, []);

    private static NumberRange RandomRange(Random random, int digits)
    {
        var range = new NumberRange();
        var low = Number(random, digits);
        if (random.Next(4) > 0) range = range with { Low = low, IsLowExclusive = random.Next(2) == 0 };
        if (random.Next(4) > 0)
            range = range with { High = low + Math.Abs(Number(random, digits)), IsHighExclusive = random.Next(2) == 0 };
        return range;
    }

    private static decimal Number(Random random, int digits)
    {
        decimal whole = random.Next(5) switch
        {
            0 => 0,
            1 => random.Next(-12, 13),
            2 => random.NextInt64(-10_000_000, 10_000_000),
            _ => random.Next(-1500, 1500),
        };
        return whole + (random.Next(2) == 0 ? 0 : random.Next(1000) % (int)Power(Math.Min(digits, 3)) * Power(-Math.Min(digits, 3)));
    }

    private static IEnumerable<decimal> Probes(Random random, NumberRange range, decimal step)
    {
        foreach (var centre in (decimal[])[range.Low ?? 0, range.High ?? 100, Number(random, 2), 0])
        {
            for (var i = -3; i <= 3; i++) yield return Math.Round(centre / step) * step + (i * step);
        }
    }

    private static decimal Power(int exponent) => exponent >= 0 ? (decimal)Math.Pow(10, exponent) : new decimal(1, 0, 0, false, (byte)-exponent);
}
