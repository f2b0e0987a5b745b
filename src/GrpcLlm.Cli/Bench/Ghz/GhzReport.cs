using System.Text.Json;
using System.Text.Json.Serialization;

namespace GrpcLlm.Cli.Bench.Ghz;

/// <summary>
/// The report that ghz writes with <c>--format json</c> or <c>pretty</c> (0.121; https://ghz.sh/docs/output), and that
/// ghz-web takes. Times are whole nanoseconds. Members that this program does not need are skipped.
/// </summary>
internal sealed record GhzReport
{
    /// <summary>Most calls that ghz lists in <see cref="Details"/>.</summary>
    public const int MostDetails = 1_000_000;

    /// <summary>Name of the test.</summary>
    public string Name { get; init; } = "";

    /// <summary><c>normal</c>, <c>cancel</c> or <c>timeout</c>.</summary>
    public string EndReason { get; init; } = "";

    /// <summary>What was asked for.</summary>
    public GhzReportOptions Options { get; init; } = new();

    /// <summary>When the report was made.</summary>
    public DateTimeOffset Date { get; init; }

    /// <summary>Calls that ended, failed ones included.</summary>
    public required long Count { get; init; }

    /// <summary>Length of the run.</summary>
    public required long Total { get; init; }

    /// <summary>Mean latency.</summary>
    public long Average { get; init; }

    /// <summary>Smallest latency.</summary>
    public long Fastest { get; init; }

    /// <summary>Largest latency.</summary>
    public long Slowest { get; init; }

    /// <summary><see cref="Count"/> a second.</summary>
    public double Rps { get; init; }

    /// <summary>Failed calls by message.</summary>
    public IReadOnlyDictionary<string, long>? ErrorDistribution { get; init; }

    /// <summary>Calls by status, in Go's words: <c>OK</c>, <c>Canceled</c>, <c>ResourceExhausted</c>.</summary>
    public IReadOnlyDictionary<string, long>? StatusCodeDistribution { get; init; }

    /// <summary>Percentiles 10, 25, 50, 75, 90, 95, 99; null where ghz counted no call.</summary>
    public IReadOnlyList<GhzPercentile>? LatencyDistribution { get; init; }

    /// <summary>Eleven buckets from the fastest to the slowest.</summary>
    public IReadOnlyList<GhzBucket>? Histogram { get; init; }

    /// <summary>The calls.</summary>
    public IReadOnlyList<GhzDetail>? Details { get; init; }

    /// <summary>Free labels.</summary>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }
}

/// <summary>The options of a run as ghz repeats them in its report. It does not repeat <c>stream-call-count</c>.</summary>
internal sealed record GhzReportOptions
{
    public string? Call { get; init; }

    public string? Host { get; init; }

    public bool Insecure { get; init; }

    public long? Rps { get; init; }

    [JsonPropertyName("load-schedule")]
    public string? LoadSchedule { get; init; }

    public long? Concurrency { get; init; }

    [JsonPropertyName("concurrency-schedule")]
    public string? ConcurrencySchedule { get; init; }

    public long? Total { get; init; }

    public bool? Async { get; init; }

    public long? Connections { get; init; }

    /// <summary>Nanoseconds.</summary>
    public long? Duration { get; init; }

    /// <summary>Nanoseconds.</summary>
    public long? Timeout { get; init; }

    /// <summary>The data as it stands in the profile.</summary>
    public JsonElement? Data { get; init; }

    public string? Name { get; init; }

    public long? SkipFirst { get; init; }
}

/// <summary>A percentile.</summary>
/// <param name="Percentage">Which one.</param>
/// <param name="Latency">Nanoseconds.</param>
internal sealed record GhzPercentile(int Percentage, long Latency);

/// <summary>A bucket of the histogram.</summary>
/// <param name="Mark">Largest latency in it, in seconds.</param>
/// <param name="Count">Calls.</param>
/// <param name="Frequency">Their share, 0 to 1.</param>
internal sealed record GhzBucket(double Mark, long Count, double Frequency);

/// <summary>A call.</summary>
/// <param name="Timestamp">When it was noted.</param>
/// <param name="Latency">Nanoseconds.</param>
/// <param name="Error">Message of its failure; empty: none.</param>
/// <param name="Status">Status in Go's words.</param>
internal sealed record GhzDetail(DateTimeOffset Timestamp, long Latency, string Error, string Status);

/// <summary>The one form of a <see cref="GhzReport"/> in JSON.</summary>
internal static class GhzJson
{
    /// <summary>
    /// ghz's names. Read by reflection: the source generator forgets what a member is where the file does not have it.
    /// </summary>
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };
}
