namespace GrpcLlm.Server.Telemetry;

/// <summary>State of one call in the gauges: it is in exactly one state from acceptance to its end. Not thread-safe.</summary>
internal sealed class CallStates(ServerMetrics metrics)
{
    private bool _accepted;

    /// <summary>The state now.</summary>
    public StreamState Current { get; private set; } = StreamState.WaitingForFirstToken;

    /// <summary>The call begins.</summary>
    public void Accept()
    {
        _accepted = true;
        metrics.StreamAccepted(Current);
    }

    /// <summary>The call is in another state now.</summary>
    public void Move(StreamState state)
    {
        metrics.StreamMoved(Current, state);
        Current = state;
    }

    /// <summary>The call is over.</summary>
    /// <param name="reason">Finish reason, or error reason, in lower case.</param>
    /// <param name="fault">Whose fault it was.</param>
    public void Finish(string reason, Fault fault)
    {
        if (!_accepted) return;
        _accepted = false;
        metrics.StreamFinished(Current, reason, fault);
    }
}
