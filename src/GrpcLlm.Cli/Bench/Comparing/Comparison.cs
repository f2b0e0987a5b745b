using System.Text.Json.Serialization;

namespace GrpcLlm.Cli.Bench.Comparing;

/// <summary>What a comparison says of a metric.</summary>
internal enum ComparisonVerdict
{
    /// <summary>The files do not allow one; the reasons are told.</summary>
    None,

    /// <summary>The interval holds "no difference".</summary>
    NoDifference,

    /// <summary>The whole interval is on the good side.</summary>
    Better,

    /// <summary>The whole interval is on the bad side.</summary>
    Worse,
}

/// <summary>Two result files compared, as <c>--json</c> prints it.</summary>
internal sealed record Comparison
{
    /// <summary>What the candidate is compared with.</summary>
    public required ComparedSide Baseline { get; init; }

    /// <summary>What is compared.</summary>
    public required ComparedSide Candidate { get; init; }

    /// <summary>Why no metric has a verdict, in sentences; empty: nothing stands against one.</summary>
    public required IReadOnlyList<string> Obstacles { get; init; }

    /// <summary>What else to know to judge the figures, in sentences.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>The metrics, those that no run has left out.</summary>
    public required IReadOnlyList<MetricComparison> Metrics { get; init; }

    /// <summary>Whether a metric is worse by verdict.</summary>
    public bool IsWorse => Metrics.Any(metric => metric.Verdict == ComparisonVerdict.Worse);
}

/// <summary>A side of a comparison.</summary>
/// <param name="File">The file as it was named.</param>
/// <param name="Target">Target of its runs.</param>
/// <param name="Model">Model of its runs.</param>
/// <param name="Runs">How many runs count.</param>
internal sealed record ComparedSide(string File, string Target, string Model, int Runs);

/// <summary>A metric compared. Values are medians over runs; null: a side has none.</summary>
internal sealed record MetricComparison
{
    /// <summary>Name of the metric.</summary>
    public required string Name { get; init; }

    /// <summary>The metric.</summary>
    [JsonIgnore]
    public ComparedMetric Metric => ComparedMetric.All.Single(metric => metric.Name == Name);

    /// <summary>Median of the base: milliseconds, a second, or a share of 0 to 1.</summary>
    public double? Baseline { get; init; }

    /// <summary>Median of the candidate.</summary>
    public double? Candidate { get; init; }

    /// <summary>Candidate less base.</summary>
    public double? Difference { get; init; }

    /// <summary>Candidate / base; null where the base is 0.</summary>
    public double? Ratio { get; init; }

    /// <summary>95 % interval of the ratio, of a share of the difference; null where a side has too few runs for one.</summary>
    public Interval? Interval { get; init; }

    /// <summary>The verdict.</summary>
    public required ComparisonVerdict Verdict { get; init; }

    /// <summary>Why this metric has no verdict, where the reason is its own; empty otherwise.</summary>
    public string Why { get; init; } = "";

    /// <summary>The effect that the interval is of.</summary>
    [JsonIgnore]
    public double? Effect => Metric.Kind == MetricKind.Share ? Difference : Ratio;
}

/// <summary>A <see cref="Comparison"/> in JSON: camel case, verdicts as words, nulls left out.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(VerdictConverter)])]
[JsonSerializable(typeof(Comparison))]
internal sealed partial class ComparisonJson : JsonSerializerContext
{
    private sealed class VerdictConverter() : JsonStringEnumConverter<ComparisonVerdict>(System.Text.Json.JsonNamingPolicy.CamelCase);
}
