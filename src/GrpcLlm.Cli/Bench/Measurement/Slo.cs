using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>A service level objective of a single stream.</summary>
/// <param name="Metric"><c>ttft</c>, <c>tpot</c> or <c>e2e</c>.</param>
/// <param name="Limit">Longest time that meets it.</param>
internal sealed record Slo(string Metric, TimeSpan Limit)
{
    private static readonly string[] Bounded = [MetricNames.Ttft, MetricNames.Tpot, MetricNames.E2e];

    /// <summary>Reads <c>ttft=200ms</c>.</summary>
    /// <exception cref="UsageException">It is no such text.</exception>
    public static Slo Parse(string text)
    {
        var sign = text.IndexOf('=', StringComparison.Ordinal);
        var metric = sign < 0 ? text : text[..sign];
        if (sign < 0 || !Bounded.Contains(metric, StringComparer.Ordinal) || !DurationText.TryParse(text[(sign + 1)..], out var limit))
            throw new UsageException($"'{text}' is no objective; write ttft=200ms, tpot=50ms or e2e=5s.");
        return new Slo(metric, limit);
    }

    /// <summary>Whether a stream that ended well meets it; a stream that has no such time does.</summary>
    public bool IsMetBy(StreamTrace trace) => (ValueOf(trace) ?? 0) <= RunClock.Of(Limit);

    private long? ValueOf(StreamTrace trace) => Metric switch
    {
        MetricNames.Ttft => trace.Ttft,
        MetricNames.Tpot => trace.Tpot,
        _ => trace.E2e,
    };
}
