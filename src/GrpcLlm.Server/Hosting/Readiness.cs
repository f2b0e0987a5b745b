namespace GrpcLlm.Server.Hosting;

/// <summary>Whether the server takes calls, for probes and watchers. Thread-safe.</summary>
internal sealed class Readiness
{
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _over = NewSignal();
    private TaskCompletionSource _changed = NewSignal();
    private bool _ready;
    private bool _draining;

    /// <summary>Completes when the server is about to close its streams.</summary>
    public Task Over => _over.Task;

    /// <summary>The state now, and a task that completes when it changes.</summary>
    public (bool Ready, Task Changed) Read()
    {
        lock (_gate) return (_ready, _changed.Task);
    }

    /// <summary>Whether it was ready and is no more: the server is on its way out.</summary>
    public bool IsDraining
    {
        get
        {
            lock (_gate) return _draining;
        }
    }

    /// <summary>Tells the state.</summary>
    public void Set(bool ready)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            if (_ready == ready) return;
            _draining = _ready && !ready;
            _ready = ready;
            changed = _changed;
            _changed = NewSignal();
        }

        changed.TrySetResult();
    }

    /// <summary>Lets watchers go.</summary>
    public void End() => _over.TrySetResult();

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
