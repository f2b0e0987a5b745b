using Grpc.Core;
using GrpcLlm.FunctionalTests.Resilience;
using GrpcLlm.FunctionalTests.Testing;

namespace GrpcLlm.Soak;

/// <summary>What happened, in numbers.</summary>
internal sealed class Tally
{
    private int _retried;
    private int _lost;

    /// <summary>Streams by their ending.</summary>
    public SortedDictionary<string, long> Endings { get; } = new(StringComparer.Ordinal);

    /// <summary>Streams by what their client did.</summary>
    public SortedDictionary<string, long> Behaviours { get; } = new(StringComparer.Ordinal);

    /// <summary>Answers of the upstream by their fault.</summary>
    public SortedDictionary<string, long> Faults { get; } = new(StringComparer.Ordinal);

    public long Calls { get; private set; }

    public long Tokens { get; private set; }

    /// <summary>Clients that met a restart and tried again, and those of them that did not get through.</summary>
    public (int Retried, int Lost) Retries => (_retried, _lost);

    /// <summary>A call ended. Not at the same time as another.</summary>
    public void Ended(FaultyCall call, IReadOnlyList<FaultyAnswer> answers)
    {
        Calls++;
        Tokens += call.Tokens;
        Count(Endings, call.Status.StatusCode == StatusCode.OK ? $"finish {call.Chunks[^1].Finish?.Reason}" : ReasonOf(call));
        Count(Behaviours, $"{call.Behaviour}");
        foreach (var answer in answers) Count(Faults, $"{answer.Fault}");
        if (call.Metadata.GetValue("simulate-fault") is { } fault) Count(Faults, $"simulated {fault[..fault.IndexOf('@', StringComparison.Ordinal)]}");
    }

    /// <summary>A client that met a restart stopped trying.</summary>
    public void Retried(bool gotThrough)
    {
        Interlocked.Increment(ref _retried);
        if (!gotThrough) Interlocked.Increment(ref _lost);
    }

    private static string ReasonOf(FaultyCall call)
    {
        var reason = call.Summary?.ErrorReason.ToString() ?? "no trailers";
        return $"{call.Status.StatusCode} {reason} {(call.Tokens > 0 ? "after" : "before")} a token";
    }

    private static void Count(SortedDictionary<string, long> counts, string name) => counts[name] = counts.GetValueOrDefault(name) + 1;
}
