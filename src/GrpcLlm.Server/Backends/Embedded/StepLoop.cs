using System.Collections.Concurrent;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// A thread that does rounds of steps for those who want one: each round begins with everything that waits, whoever came
/// meanwhile is in the next. It never waits for more to come. Thread-safe.
/// </summary>
/// <typeparam name="TWork">What is stepped.</typeparam>
internal sealed class StepLoop<TWork> : IAsyncDisposable
    where TWork : PacedWork
{
    private readonly ConcurrentQueue<TWork> _queue = new();
    private readonly SemaphoreSlim _wake = new(0);
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Action<List<TWork>> _round;
    private int _sleeps;
    private volatile bool _isStopping;

    /// <param name="name">Name of the thread.</param>
    /// <param name="round">
    /// Does a round for some of the waiting, in their order, and takes out of the list those whose step is done or who
    /// have ended. At least one of them, or the loop would turn idly. Must not throw.
    /// </param>
    public StepLoop(string name, Action<List<TWork>> round)
    {
        _round = round;
        new Thread(Turn) { IsBackground = true, Name = name }.Start();
    }

    /// <summary>Queues work. After the stop it fails instead.</summary>
    public void Enqueue(TWork work)
    {
        _queue.Enqueue(work);
        Wake();
        if (_isStopping) FailQueued();
    }

    /// <summary>Stops after the running round. Work that waits fails; completes when the thread has ended.</summary>
    public async ValueTask DisposeAsync()
    {
        _isStopping = true;
        Wake();
        await _stopped.Task;
        FailQueued();
    }

    private static BackendException Stopped() => new(BackendFailure.Unavailable, "the embedded model was stopped");

    private void Wake()
    {
        if (Interlocked.Exchange(ref _sleeps, 0) == 1) _wake.Release();
    }

    private void Turn()
    {
        var waiting = new List<TWork>();
        while (!_isStopping)
        {
            while (_queue.TryDequeue(out TWork? work)) waiting.Add(work);
            if (waiting.Count > 0) _round(waiting);
            else Sleep();
        }

        foreach (TWork work in waiting) work.Fail(Stopped());
        _stopped.SetResult();
    }

    // Says that it sleeps before it looks once more, so that nobody's call is missed.
    private void Sleep()
    {
        Interlocked.Exchange(ref _sleeps, 1);
        bool stay = !_queue.IsEmpty || _isStopping;
        if (stay && Interlocked.Exchange(ref _sleeps, 0) == 1) return;
        _wake.Wait();
    }

    private void FailQueued()
    {
        while (_queue.TryDequeue(out TWork? work)) work.Fail(Stopped());
    }
}
