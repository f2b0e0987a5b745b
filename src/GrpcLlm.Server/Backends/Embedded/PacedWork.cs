using System.Threading.Tasks.Sources;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Work that goes one step for each time its reader asks, on the thread of a <see cref="StepLoop{TWork}"/>, which may
/// take several turns for it. While nobody asks it is in no queue and costs nothing. Waiting for a step allocates
/// nothing. One reader; <see cref="Cancel"/> and <see cref="Fail"/> may come from any thread.
/// </summary>
internal abstract class PacedWork : IValueTaskSource<bool>
{
    private const int Idle = 0; // no step is wanted
    private const int Waiting = 1; // in the loop's queue
    private const int Running = 2; // the loop has it
    private const int Ended = 3; // cancelled or failed; for ever

    private ManualResetValueTaskSourceCore<bool> _step = new() { RunContinuationsAsynchronously = true };
    private CancellationToken _cancellationToken;
    private int _state;

    /// <summary>Asks for the next step and waits until it is done.</summary>
    /// <param name="cancellationToken">
    /// Always the same one. Whoever made the work calls <see cref="Cancel"/> when it is cancelled: one registration for
    /// all steps.
    /// </param>
    /// <returns>Whether it is done; false: the work was cancelled, and has ended.</returns>
    /// <exception cref="BackendException">It failed, or the scheduler was stopped.</exception>
    public ValueTask<bool> NextStepAsync(CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested) return ValueTask.FromResult(false);
        _cancellationToken = cancellationToken;
        _step.Reset();
        if (Interlocked.CompareExchange(ref _state, Waiting, Idle) != Idle)
            throw new InvalidOperationException("A step is wanted already, or the work has ended.");
        Enqueue();
        return new ValueTask<bool>(this, _step.Version);
    }

    /// <summary>
    /// Lets a reader that waits go: at once if the work is queued, after the running turn otherwise. The loop never has
    /// the work any more when the reader hears of it.
    /// </summary>
    public void Cancel()
    {
        if (Interlocked.CompareExchange(ref _state, Ended, Waiting) == Waiting) _step.SetResult(false);
    }

    /// <summary>Ends queued work with an error. Running work is left to the loop, idle work to its reader.</summary>
    public void Fail(Exception error)
    {
        if (Interlocked.CompareExchange(ref _state, Ended, Waiting) == Waiting) _step.SetException(error);
    }

    /// <summary>Begins a turn. On the loop's thread, like what follows; it ends with one of the others.</summary>
    /// <returns>False if the work has ended.</returns>
    public bool TryBegin()
    {
        if (Interlocked.CompareExchange(ref _state, Running, Waiting) != Waiting) return false;
        if (!_cancellationToken.IsCancellationRequested) return true;
        EndCancelled();
        return false;
    }

    /// <summary>Ends a turn: the step needs another. A cancel from here on is found at once or when that begins.</summary>
    public void Pause() => Volatile.Write(ref _state, Waiting);

    /// <summary>Ends a turn, and the step: the reader goes on, with what it asked for or with its own cancel.</summary>
    public void Complete()
    {
        if (_cancellationToken.IsCancellationRequested)
        {
            EndCancelled();
            return;
        }

        // Idle first: the reader may ask again before SetResult returns.
        Volatile.Write(ref _state, Idle);
        _step.SetResult(true);
    }

    /// <summary>Ends a turn, and the work, with an error for this reader alone.</summary>
    public void End(Exception error)
    {
        Volatile.Write(ref _state, Ended);
        _step.SetException(
            error as BackendException ?? new BackendException(BackendFailure.Failed, "the embedded model failed", error));
    }

    bool IValueTaskSource<bool>.GetResult(short token) => _step.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _step.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _step.OnCompleted(continuation, state, token, flags);

    /// <summary>Puts the work into its loop's queue.</summary>
    protected abstract void Enqueue();

    private void EndCancelled()
    {
        Volatile.Write(ref _state, Ended);
        _step.SetResult(false);
    }
}
