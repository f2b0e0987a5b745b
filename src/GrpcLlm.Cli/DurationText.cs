using System.CommandLine.Parsing;
using System.Globalization;

namespace GrpcLlm.Cli;

/// <summary>Durations as people write them: <c>500ms</c>, <c>30s</c>, <c>1.5m</c>, <c>1h</c>; a bare number is seconds.</summary>
internal static class DurationText
{
    private static readonly (string Unit, double Seconds)[] Units = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)];
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    /// <summary>Reads an option's value; above 0 and at most a day.</summary>
    public static TimeSpan? Parse(ArgumentResult result)
    {
        var text = result.Tokens.Single().Value;
        if (TryParse(text, out var duration)) return duration;
        result.AddError($"'{text}' is no duration; write 500ms, 30s, 2m or 1h.");
        return null;
    }

    /// <summary>Reads a duration above 0 and of at most a day.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        var (unit, factor) = Units.FirstOrDefault(u => text.EndsWith(u.Unit, StringComparison.Ordinal), ("", 1));
        var digits = text.AsSpan(0, text.Length - unit.Length);
        var isNumber = double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number);
        var isDuration = isNumber && number * factor > 0 && number * factor <= Longest.TotalSeconds;
        duration = isDuration ? TimeSpan.FromSeconds(number * factor) : default;
        return isDuration;
    }
}
