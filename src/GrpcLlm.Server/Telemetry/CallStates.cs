namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// State of one call in the gauges: it is in exactly one state from acceptance to its end. Whoever opens the answer tells
/// what it waits for, whoever writes tells that the client does not read; the latter counts while it lasts. Thread-safe.
/// </summary>
internal sealed class CallStates(ServerMetrics metrics)
{
    private readonly Lock _gate = new();
    private StreamState _phase = StreamState.WaitingForFirstToken;
    private bool _accepted;

    /// <summary>The state now.</summary>
    public StreamState Current { get; private set; } = StreamState.WaitingForFirstToken;

    /// <summary>The call begins.</summary>
    public void Accept()
    {
        lock (_gate)
        {
            _accepted = true;
            metrics.StreamAccepted(Current);
        }
    }

    /// <summary>What the call does now.</summary>
    /// <param name="phase">Any but <see cref="StreamState.Stalled"/>.</param>
    public void Move(StreamState phase)
    {
        lock (_gate)
        {
            _phase = phase;
            if (Current != StreamState.Stalled) Show(phase);
        }
    }

    /// <summary>Whether output lies ready that the client does not take.</summary>
    public void SetStalled(bool stalled)
    {
        lock (_gate) Show(stalled ? StreamState.Stalled : _phase);
    }

    /// <summary>The call is over. Only the first time counts.</summary>
    public void Finish()
    {
        lock (_gate)
        {
            if (!_accepted) return;
            _accepted = false;
            metrics.StreamLeft(Current);
        }
    }

    private void Show(StreamState state)
    {
        // An attempt that was given up may end after its call.
        if (_accepted) metrics.StreamMoved(Current, state);
        Current = state;
    }
}
