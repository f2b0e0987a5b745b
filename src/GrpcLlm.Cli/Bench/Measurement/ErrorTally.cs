using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>Failed streams by reason and status. Not thread-safe.</summary>
internal sealed class ErrorTally
{
    private readonly Dictionary<(string Reason, string Status), ErrorCount> _counts = [];

    /// <summary>Takes a stream that failed.</summary>
    public void Add(StreamTrace trace)
    {
        var key = (Reason: StreamOutcome.Of(trace), Status: StreamOutcome.StatusOf(trace));
        var before = _counts.GetValueOrDefault(key)
            ?? new ErrorCount { Reason = key.Reason, Status = key.Status, Count = 0, Example = trace.Failure!.Message };
        _counts[key] = before with
        {
            Count = before.Count + 1,
            AfterFirstToken = before.AfterFirstToken + (trace.FirstToken == StreamTrace.Never ? 0 : 1),
        };
    }

    /// <summary>The counts, the most frequent first.</summary>
    public IReadOnlyList<ErrorCount> Counts =>
    [
        .. _counts.Values.OrderByDescending(static count => count.Count).ThenBy(static count => count.Reason, StringComparer.Ordinal),
    ];
}
