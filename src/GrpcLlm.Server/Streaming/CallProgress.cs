using GrpcLlm.V1;

namespace GrpcLlm.Server.Streaming;

/// <summary>
/// What a call without tokens waits for. The opener tells it; whoever sends progress messages listens. Thread-safe.
/// </summary>
internal sealed class CallProgress
{
    private readonly Lock _gate = new();
    private (ProgressPhase Phase, uint Attempt, uint? QueuePosition) _current = (ProgressPhase.Connecting, 0, null);

    // Only for those who ask: most callers want no progress.
    private TaskCompletionSource? _changed;

    /// <summary>The state now, and a task that completes when it changes.</summary>
    public (Progress Current, Task Changed) Read()
    {
        lock (_gate)
        {
            _changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var message = new Progress { Phase = _current.Phase, Attempt = _current.Attempt };
            if (_current.QueuePosition is { } position) message.QueuePosition = position;
            return (message, _changed.Task);
        }
    }

    /// <summary>Tells the state.</summary>
    public void Report(ProgressPhase phase, uint attempt, uint? queuePosition = null)
    {
        var next = (phase, attempt, queuePosition);
        TaskCompletionSource? changed;
        lock (_gate)
        {
            if (next == _current) return;
            _current = next;
            changed = _changed;
            _changed = null;
        }

        changed?.TrySetResult();
    }
}
