using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace GrpcLlm.Cli.Bench.Profiles;

/// <summary>Durations as Go's <c>time.ParseDuration</c> reads them: <c>10s</c>, <c>1m30s</c>, <c>1.5h</c>, <c>500ms</c>, <c>0</c>.</summary>
internal static class GoDuration
{
    private const long NanosecondsPerTick = 100;

    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789.");

    // Longest first, so that "m" does not take the beginning of "ms". Go knows both letters for micro.
    private static readonly (string Unit, decimal Nanoseconds)[] Units =
    [
        ("ns", 1), ("us", 1_000), ("\u00B5s", 1_000), ("\u03BCs", 1_000), ("ms", 1_000_000),
        ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ];

    /// <summary>Reads a duration; parts of a tick (100 ns) are rounded.</summary>
    /// <param name="text">The text.</param>
    /// <param name="duration">The duration, not negative.</param>
    /// <param name="mistake">Why it is none.</param>
    public static bool TryParse(string text, out TimeSpan duration, [NotNullWhen(false)] out string? mistake)
    {
        duration = default;
        mistake = null;
        var rest = text.AsSpan();
        if (rest.StartsWith("-"))
        {
            mistake = $"'{text}' is negative";
            return false;
        }

        if (rest.StartsWith("+")) rest = rest[1..];
        if (rest is "0") return true;

        decimal sum = 0;
        var parts = 0;
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExcept(Digits);
            if (digits < 0)
            {
                mistake = $"'{text}' has no unit; write \"{text}s\" or \"{text}ms\"";
                return false;
            }

            var unit = UnitAt(rest[digits..]);
            if (unit.Unit.Length == 0
                || !decimal.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            {
                break;
            }

            if (number > long.MaxValue / unit.Nanoseconds || (sum += number * unit.Nanoseconds) > long.MaxValue)
            {
                mistake = $"'{text}' is too long";
                return false;
            }

            rest = rest[(digits + unit.Unit.Length)..];
            parts++;
        }

        if (!rest.IsEmpty || parts == 0)
        {
            mistake = $"'{text}' is no duration; write \"500ms\", \"10s\" or \"1m30s\"";
            return false;
        }

        duration = TimeSpan.FromTicks((long)decimal.Round(sum / NanosecondsPerTick));
        return true;
    }

    /// <summary>Writes a duration so that it reads back: <c>1h2m3.5s</c>, <c>500ms</c>, <c>0s</c>.</summary>
    public static string Format(TimeSpan duration)
    {
        if (duration < TimeSpan.FromSeconds(1))
            return duration == TimeSpan.Zero ? "0s" : $"{duration.Ticks / 10_000m:0.####}ms";

        var text = new StringBuilder();
        if (duration >= TimeSpan.FromHours(1)) text.Append((long)duration.TotalHours).Append('h');
        if (duration >= TimeSpan.FromMinutes(1)) text.Append(duration.Minutes).Append('m');
        var seconds = duration.Ticks % TimeSpan.TicksPerMinute / (decimal)TimeSpan.TicksPerSecond;
        return text.Append(seconds.ToString("0.#######", CultureInfo.InvariantCulture)).Append('s').ToString();
    }

    private static (string Unit, decimal Nanoseconds) UnitAt(ReadOnlySpan<char> text)
    {
        foreach (var unit in Units)
        {
            if (text.StartsWith(unit.Unit, StringComparison.Ordinal)) return unit;
        }

        return ("", 0);
    }
}
