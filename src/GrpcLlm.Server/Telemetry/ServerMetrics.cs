using System.Diagnostics.Metrics;
using GrpcLlm.Server.Requests;

namespace GrpcLlm.Server.Telemetry;

/// <summary>State of a running generation, as <c>grpcllm.streams.active</c> tells it.</summary>
internal enum StreamState
{
    /// <summary>Waits for admission or for a slot of its backend.</summary>
    Queued,

    /// <summary>Waits for the first token.</summary>
    WaitingForFirstToken,

    /// <summary>Streams.</summary>
    Streaming,

    /// <summary>Has output that the client does not take.</summary>
    Stalled,
}

/// <summary>Whose fault an end was; an upstream failure never looks like a client's disconnect.</summary>
internal enum Fault
{
    None,
    Client,
    Service,
    Upstream,
}

/// <summary>The service's own instruments. Thread-safe; free when nobody listens.</summary>
internal sealed class ServerMetrics
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "GrpcLlm.Server";

    private static readonly KeyValuePair<string, object?>[] StateTags =
    [
        new("state", "queued"), new("state", "waiting_for_first_token"), new("state", "streaming"),
        new("state", "stalled"),
    ];

    private readonly UpDownCounter<long> _active;
    private readonly Counter<long> _finished;

    public ServerMetrics(IMeterFactory meterFactory)
    {
        var meter = meterFactory.Create(MeterName);
        _active = meter.CreateUpDownCounter<long>(
            "grpcllm.streams.active", "{stream}", "Generations that run now, by state.");
        _finished = meter.CreateCounter<long>(
            "grpcllm.streams.finished", "{stream}", "Generations that ended, by reason and by whose fault.");
    }

    /// <summary>A generation was accepted.</summary>
    public void StreamAccepted(StreamState state) => _active.Add(1, StateTags[(int)state]);

    /// <summary>A generation went from one state to another.</summary>
    public void StreamMoved(StreamState from, StreamState to)
    {
        if (from == to) return;
        _active.Add(-1, StateTags[(int)from]);
        _active.Add(1, StateTags[(int)to]);
    }

    /// <summary>A generation ended; called exactly once for each that was accepted.</summary>
    /// <param name="last">State it was in.</param>
    /// <param name="reason">Finish reason, or error reason, in lower case.</param>
    /// <param name="fault">Whose fault it was.</param>
    public void StreamFinished(StreamState last, string reason, Fault fault)
    {
        _active.Add(-1, StateTags[(int)last]);
        _finished.Add(1, new KeyValuePair<string, object?>("reason", reason), new("fault", ErrorTable.NameOf(fault)));
    }
}
