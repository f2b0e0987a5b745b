using GrpcLlm.V1;

namespace GrpcLlm.Server.Streaming;

/// <summary>
/// What a call without tokens waits for. The opener tells it; whoever sends progress messages listens. Thread-safe.
/// </summary>
internal sealed class CallProgress
{
    private readonly Lock _gate = new();
    private TaskCompletionSource _changed = NewSignal();
    private Progress _current = new() { Phase = ProgressPhase.Connecting };

    /// <summary>The state now, and a task that completes when it changes.</summary>
    public (Progress Current, Task Changed) Read()
    {
        lock (_gate) return (_current, _changed.Task);
    }

    /// <summary>Tells the state.</summary>
    public void Report(ProgressPhase phase, uint attempt, uint? queuePosition = null)
    {
        var next = new Progress { Phase = phase, Attempt = attempt };
        if (queuePosition is { } position) next.QueuePosition = position;
        TaskCompletionSource changed;
        lock (_gate)
        {
            if (next.Equals(_current)) return;
            _current = next;
            changed = _changed;
            _changed = NewSignal();
        }

        changed.TrySetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
