using System.Threading.Tasks.Sources;

namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>
/// The waits of one stream, one after the other, for the times at which its tokens are due. A wait allocates nothing, and
/// what comes after it runs on the pacer's thread or the pool's. Cancelling ends a wait at once. One reader.
/// </summary>
internal sealed class PacedWait : IValueTaskSource<bool>, IThreadPoolWorkItem, IDisposable
{
    private readonly Pacer _pacer;
    private readonly CancellationToken _cancellationToken;
    private readonly CancellationTokenRegistration _registration;
    private ManualResetValueTaskSourceCore<bool> _source;
    private bool _isCancelled;

    /// <param name="pacer">Whose time counts.</param>
    /// <param name="cancellationToken">Ends every wait.</param>
    public PacedWait(Pacer pacer, CancellationToken cancellationToken)
    {
        _pacer = pacer;
        _cancellationToken = cancellationToken;
        _registration = cancellationToken.UnsafeRegister(static wait => ((PacedWait)wait!).Cancel(), this);
    }

    /// <summary>Waits until a time of the pacer; not at all if it has come already.</summary>
    /// <returns>Whether it has come; false: the token was cancelled.</returns>
    public ValueTask<bool> UntilAsync(TimeSpan due)
    {
        if (_cancellationToken.IsCancellationRequested) return ValueTask.FromResult(false);
        if (due <= _pacer.Now) return ValueTask.FromResult(true);
        _source.Reset();
        _pacer.Add(this, due);

        // Cancelled between the two: its callback may have found nobody who waits.
        if (_cancellationToken.IsCancellationRequested) Cancel();
        return new ValueTask<bool>(this, _source.Version);
    }

    /// <summary>No wait comes any more.</summary>
    public void Dispose() => _registration.Dispose();

    /// <summary>Another stream that was taken out of the pacer together with this one, and goes on after it.</summary>
    public PacedWait? Next { get; set; }

    /// <summary>Lets the reader go on, and those behind it. Whoever took the stream out of the pacer calls this, once.</summary>
    public void Execute()
    {
        for (var wait = this; wait is not null;)
        {
            // Before its reader goes on: it may wait again at once.
            var next = wait.Next;
            wait.Next = null;
            wait.Complete();
            wait = next;
        }
    }

    bool IValueTaskSource<bool>.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    private void Complete() => _source.SetResult(!_isCancelled);

    private void Cancel()
    {
        if (!_pacer.Remove(this)) return;
        _isCancelled = true;
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }
}
