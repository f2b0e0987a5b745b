using System.Globalization;

namespace GrpcLlm.Pages;

/// <summary>Numbers for people: three significant digits, a unit that fits, and never a rounding that hides a failure.</summary>
internal static class Figures
{
    /// <summary>A time in milliseconds: <c>87.3 µs</c>, <c>20.1 ms</c>, <c>203 ms</c>, <c>1.24 s</c>, <c>12.5 min</c>.</summary>
    public static string Time(double milliseconds)
    {
        var rounded = Round(milliseconds);
        return Math.Abs(rounded) switch
        {
            0 => "0 ms",
            < 1 => Significant(rounded * 1000) + " µs",
            < 1000 => Significant(rounded) + " ms",
            < 120_000 => Significant(rounded / 1000) + " s",
            < 7_200_000 => Significant(milliseconds / 60_000) + " min",
            _ => Significant(milliseconds / 3_600_000) + " h",
        };
    }

    /// <summary>A time in seconds, see <see cref="Time"/>.</summary>
    public static string Seconds(double seconds) => Time(seconds * 1000);

    /// <summary>A whole number in full: <c>100,000</c>.</summary>
    public static string Count(long count) => Minus(count.ToString("#,0", CultureInfo.InvariantCulture));

    /// <summary>A rate or a large number: <c>7.25</c>, <c>1,240</c>, <c>12.4 k</c>, <c>1.24 M</c>. The unit follows it.</summary>
    public static string Rate(double value)
    {
        var rounded = Round(value);
        return Math.Abs(rounded) switch
        {
            < 1000 => Significant(rounded),
            < 10_000 => Minus(value.ToString("#,0", CultureInfo.InvariantCulture)),
            < 1e6 => Significant(rounded / 1e3) + " k",
            < 1e9 => Significant(rounded / 1e6) + " M",
            _ => Significant(rounded / 1e9) + " G",
        };
    }

    /// <summary>
    /// A share of 0 to 1 in percent: <c>97.1 %</c>. Only all is 100 % and only nothing is 0 %: a share near either gets more
    /// digits, <c>99.997 %</c>.
    /// </summary>
    public static string Share(double share)
    {
        var percent = share * 100;
        if (percent is 0 or 100) return $"{percent:0} %";
        for (var digits = 1; digits <= 4; digits++)
        {
            var rounded = Math.Round(percent, digits, MidpointRounding.AwayFromZero);
            if (rounded is not (0 or 100)) return Minus(Fixed(rounded, digits)) + " %";
        }

        return percent < 1 ? "< 0.0001 %" : "> 99.9999 %";
    }

    /// <summary>A ratio as a change: <c>+2.5 %</c>, <c>−12.0 %</c>; from a doubling on as a factor, <c>× 3.40</c>.</summary>
    public static string Change(double ratio)
    {
        if (ratio >= 2) return $"× {Rate(ratio)}";
        var percent = Math.Round((ratio - 1) * 100, 1, MidpointRounding.AwayFromZero);
        return percent == 0 ? "0.0 %" : Signed(percent, 1) + " %";
    }

    /// <summary>A difference of two shares in percentage points: <c>+1.20 pp</c>.</summary>
    public static string Points(double difference)
    {
        var points = Math.Round(difference * 100, 2, MidpointRounding.AwayFromZero);
        return points == 0 ? "0.00 pp" : Signed(points, 2) + " pp";
    }

    /// <summary>
    /// A figure that was given rather than measured, without the zeros that tell how exact a measurement is: <c>30 ms</c>
    /// for <c>30.0 ms</c>.
    /// </summary>
    public static string Given(string figure)
    {
        var end = figure.IndexOf(' ', StringComparison.Ordinal) is >= 0 and var space ? space : figure.Length;
        var number = figure.AsSpan(0, end);
        return number.Contains('.') ? string.Concat(number.TrimEnd('0').TrimEnd('.'), figure.AsSpan(end)) : figure;
    }

    /// <summary>A word with its number: <c>1 run</c>, <c>3 runs</c>.</summary>
    public static string Plural(long count, string word) => $"{Count(count)} {word}{(count == 1 ? "" : "s")}";

    /// <summary>A coordinate of a drawing.</summary>
    internal static string Coordinate(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Signed(double value, int digits) => (value > 0 ? "+" : "") + Minus(Fixed(value, digits));

    private static string Significant(double value) => Minus(Fixed(value, Digits(value)));

    private static double Round(double value) =>
        !double.IsFinite(value) || Math.Abs(value) < 1e-6
            ? 0
            : Math.Round(value / Unit(value), MidpointRounding.AwayFromZero) * Unit(value);

    private static double Unit(double value) => Math.Pow(10, Math.Floor(Math.Log10(Math.Abs(value)) + 1e-9) - 2);

    private static int Digits(double value) =>
        value == 0 ? 0 : Math.Clamp(2 - (int)Math.Floor(Math.Log10(Math.Abs(value)) + 1e-9), 0, 6);

    private static string Fixed(double value, int digits) => value.ToString("F" + digits, CultureInfo.InvariantCulture);

    private static string Minus(string text) => text.Replace('-', '\u2212');
}
