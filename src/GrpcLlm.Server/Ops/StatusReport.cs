using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Ops;

/// <summary>Whether the server takes calls.</summary>
internal enum ServingState
{
    /// <summary>It starts.</summary>
    NotReady,

    /// <summary>It does.</summary>
    Ready,

    /// <summary>It is on its way out.</summary>
    Draining,
}

/// <summary>
/// The state of this server and its last ten minutes: what the status page shows and <c>/status.json</c> tells, with these
/// names in snake case. Holds configured names of models and backends and labels of keys; no tenants, request ids, labels,
/// prompts or keys.
/// </summary>
internal sealed record StatusReport
{
    /// <summary>Whether the server takes calls.</summary>
    public required ServingState State { get; init; }

    /// <summary>What is wrong now, in words; empty: nothing that is known here.</summary>
    public required IReadOnlyList<string> Troubles { get; init; }

    /// <summary>When it was read.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>Version of the server.</summary>
    public required string Version { get; init; }

    /// <summary>Age of the process.</summary>
    public required double UptimeSeconds { get; init; }

    /// <summary>Live streams by state.</summary>
    public required StreamStatus Streams { get; init; }

    /// <summary>Places for calls.</summary>
    public required AdmissionStatus Admission { get; init; }

    /// <summary>Output tokens sent a second, over the last ten seconds.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Calls that came a second, over the last ten seconds.</summary>
    public required double CallsPerSecond { get; init; }

    /// <summary>Time to the first token over the last five minutes; null: there was none.</summary>
    public required LatencyFigures? Ttft { get; init; }

    /// <summary>Time per output token over the last five minutes, of calls that succeeded; null: there was none.</summary>
    public required LatencyFigures? Tpot { get; init; }

    /// <summary>Calls that ended in the last ten minutes.</summary>
    public required CallStatus Calls { get; init; }

    /// <summary>Failures of the last ten minutes by reason, the most frequent first.</summary>
    public required IReadOnlyList<FailureStatus> Failures { get; init; }

    /// <summary>Every way into a backend.</summary>
    public required IReadOnlyList<LaneStatus> Backends { get; init; }

    /// <summary>The models.</summary>
    public required IReadOnlyList<ModelStatus> Models { get; init; }

    /// <summary>Length of a step of <see cref="Timeline"/>.</summary>
    public required double StepSeconds { get; init; }

    /// <summary>The last ten minutes as far as the process has lived, oldest first; the last step is still going on.</summary>
    public required IReadOnlyList<StepStatus> Timeline { get; init; }
}

/// <summary>Live streams by state.</summary>
internal sealed record StreamStatus(long Queued, long WaitingForFirstToken, long Streaming, long Stalled)
{
    /// <summary>All of them.</summary>
    public long Total => Queued + WaitingForFirstToken + Streaming + Stalled;
}

/// <summary>Calls that have a place, and that wait for one, each with its bound.</summary>
internal sealed record AdmissionStatus(int Running, int MaxConcurrent, int Waiting, int MaxQueue);

/// <summary>Calls that ended, and those among them that failed, by whose fault.</summary>
internal sealed record CallStatus(long Ended, long Succeeded, long FailedByClient, long FailedByService, long FailedByUpstream)
{
    /// <summary>Those that failed.</summary>
    public long Failed => FailedByClient + FailedByService + FailedByUpstream;
}

/// <summary>Failures for one reason.</summary>
/// <param name="Reason">The reason as clients are told it: <c>UPSTREAM_STALLED</c>.</param>
/// <param name="Fault">Whose fault it is: <c>client</c>, <c>service</c> or <c>upstream</c>.</param>
/// <param name="Count">How many.</param>
/// <param name="LastSeen">When there was one last.</param>
internal sealed record FailureStatus(string Reason, string Fault, long Count, DateTimeOffset LastSeen);

/// <summary>One way into a backend: one of its keys, or none where it has none.</summary>
/// <param name="Backend">Configured name of the backend.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="Key">Label of the key, never the key; empty: none.</param>
/// <param name="Breaker">State of the circuit breaker: <c>closed</c>, <c>half_open</c> or <c>open</c>.</param>
/// <param name="KeyState">Whether the key is used: <c>usable</c>, <c>resting</c> or <c>refused</c>.</param>
/// <param name="RetryAfterSeconds">Time until it is tried again, where it is not now.</param>
/// <param name="Load">Attempts and streams on it now.</param>
/// <param name="Served">Attempts of the last ten minutes that served; this and the next two as their calls ended.</param>
/// <param name="Failed">Those that failed before their first token.</param>
/// <param name="Cancelled">Those that were given up.</param>
internal sealed record LaneStatus(
    string Backend, string Kind, string Key, string Breaker, string KeyState, double? RetryAfterSeconds, int Load,
    long Served, long Failed, long Cancelled);

/// <summary>A model.</summary>
/// <param name="Name">Its name on the wire.</param>
/// <param name="Backends">Who serves it, in the order in which they are tried.</param>
/// <param name="Usable">Whether any of them may be tried now.</param>
/// <param name="Ended">Calls of the last ten minutes.</param>
/// <param name="Failed">Those among them that failed, by whosever fault.</param>
internal sealed record ModelStatus(string Name, IReadOnlyList<string> Backends, bool Usable, long Ended, long Failed);

/// <summary>What happened in one step of time.</summary>
/// <param name="Tokens">Output tokens sent.</param>
/// <param name="Ended">Calls that ended.</param>
/// <param name="Ttft">Times to the first token; null: there was none.</param>
/// <param name="Tpot">Times per output token; null: there was none.</param>
/// <param name="Failed">Failures by reason.</param>
internal sealed record StepStatus(
    long Tokens, long Ended, LatencyFigures? Ttft, LatencyFigures? Tpot, IReadOnlyDictionary<string, long> Failed);
