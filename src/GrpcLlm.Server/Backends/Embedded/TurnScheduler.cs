using System.Collections.Concurrent;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// A fixed set of threads that give work its turns, first come first served: work that needs another turn goes to the
/// end of the queue, so a long prompt delays others by one turn, not by its length. Thread-safe.
/// </summary>
internal sealed class TurnScheduler : IAsyncDisposable
{
    private readonly ConcurrentQueue<PacedWork> _queue = new();
    private readonly SemaphoreSlim _queued = new(0);
    private readonly TaskCompletionSource _allStopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _runningWorkers;
    private volatile bool _stopping;

    /// <param name="name">Prefix of the threads' names.</param>
    /// <param name="workers">Number of threads; above 0.</param>
    public TurnScheduler(string name, int workers)
    {
        _runningWorkers = workers;
        for (int i = 0; i < workers; i++)
        {
            int worker = i;
            new Thread(() => Work(worker)) { IsBackground = true, Name = $"{name} {worker}" }.Start();
        }
    }

    /// <summary>Queues work. After the stop it fails instead.</summary>
    public void Enqueue(PacedWork work)
    {
        _queue.Enqueue(work);
        _queued.Release();
        if (_stopping) FailQueued();
    }

    /// <summary>Stops after the running turns. Work that waits fails; completes when all threads have ended.</summary>
    public async ValueTask DisposeAsync()
    {
        _stopping = true;
        _queued.Release(Math.Max(1, Volatile.Read(ref _runningWorkers)));
        await _allStopped.Task;
        FailQueued();
    }

    private void Work(int worker)
    {
        while (true)
        {
            _queued.Wait();
            if (_stopping) break;
            if (_queue.TryDequeue(out PacedWork? work) && work.TakeTurn(worker)) Enqueue(work);
        }

        if (Interlocked.Decrement(ref _runningWorkers) == 0) _allStopped.SetResult();
    }

    private void FailQueued()
    {
        while (_queue.TryDequeue(out PacedWork? work))
            work.Fail(new BackendException(BackendFailure.Unavailable, "the embedded model was stopped"));
    }
}
