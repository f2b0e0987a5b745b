using System.Text;

namespace GrpcLlm.Server.Telemetry.Prometheus;

/// <summary>
/// Names as Prometheus has them, by the OpenTelemetry specification (Prometheus and OpenMetrics Compatibility): letters,
/// digits and single underscores, then the unit, then <c>_total</c> for what only grows. Stateless and thread-safe.
/// </summary>
internal static class PrometheusNames
{
    private static readonly Dictionary<string, string> Units = new(StringComparer.Ordinal)
    {
        ["d"] = "days", ["h"] = "hours", ["min"] = "minutes", ["s"] = "seconds", ["ms"] = "milliseconds",
        ["us"] = "microseconds", ["ns"] = "nanoseconds", ["By"] = "bytes", ["KiBy"] = "kibibytes", ["MiBy"] = "mebibytes",
        ["GiBy"] = "gibibytes", ["KBy"] = "kilobytes", ["MBy"] = "megabytes", ["GBy"] = "gigabytes", ["m"] = "meters",
        ["V"] = "volts", ["A"] = "amperes", ["J"] = "joules", ["W"] = "watts", ["g"] = "grams", ["Cel"] = "celsius",
        ["Hz"] = "hertz", ["%"] = "percent",
    };

    private static readonly Dictionary<string, string> PerUnits = new(StringComparer.Ordinal)
    {
        ["s"] = "second", ["min"] = "minute", ["h"] = "hour", ["d"] = "day",
    };

    // These belong to the series of a histogram or counter; Prometheus' own linter refuses them on anything else.
    private static readonly string[] Reserved = ["_count", "_sum", "_bucket", "_total"];

    /// <summary>The name of a family, without <c>_total</c>.</summary>
    /// <param name="name">The instrument's name.</param>
    /// <param name="unit">Its unit in UCUM; annotations in braces are dropped.</param>
    /// <param name="isGauge">Whether it is a gauge: then <c>1</c> is a ratio, and reserved ends are dropped.</param>
    public static string OfMetric(string name, string unit, bool isGauge)
    {
        var result = Clean(name, allowColon: true);
        var suffix = isGauge && unit == "1" ? "ratio" : OfUnit(unit);
        if (suffix.Length > 0 && !result.EndsWith('_' + suffix, StringComparison.Ordinal)) result = $"{result.TrimEnd('_')}_{suffix}";
        var reserved = Array.Find(Reserved, end => result.EndsWith(end, StringComparison.Ordinal));
        return reserved is not null && (isGauge || reserved == "_total") ? result[..^reserved.Length] : result;
    }

    /// <summary>The name of a label.</summary>
    public static string OfLabel(string name) => Clean(name, allowColon: false);

    /// <summary>A unit in words; empty for one that says nothing.</summary>
    public static string OfUnit(string unit)
    {
        var plain = new StringBuilder(unit.Length);
        var depth = 0;
        foreach (var character in unit)
        {
            if (character == '{') depth++;
            else if (character == '}') depth--;
            else if (depth == 0) plain.Append(character);
        }

        var parts = plain.ToString().Split('/', 2);
        var first = parts[0] == "1" ? "" : Units.GetValueOrDefault(parts[0], parts[0]);
        var second = parts.Length < 2 || parts[1].Length == 0 ? "" : "per_" + PerUnits.GetValueOrDefault(parts[1], parts[1]);
        return Clean(first.Length > 0 && second.Length > 0 ? $"{first}_{second}" : first + second, allowColon: false).Trim('_');
    }

    private static string Clean(string name, bool allowColon)
    {
        var clean = new StringBuilder(name.Length + 1);
        foreach (var character in name)
        {
            var kept = char.IsAsciiLetterOrDigit(character) || (allowColon && character == ':') ? character : '_';
            if (clean.Length == 0 && char.IsAsciiDigit(kept)) clean.Append('_');
            if (kept != '_' || clean.Length == 0 || clean[^1] != '_') clean.Append(kept);
        }

        return clean.ToString();
    }
}
