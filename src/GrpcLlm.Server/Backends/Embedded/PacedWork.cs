using System.Threading.Tasks.Sources;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Work that goes one step for each time its reader asks, in turns on the threads of a <see cref="TurnScheduler"/>.
/// While nobody asks it is in no queue and costs nothing. Waiting for a step allocates nothing. One reader;
/// <see cref="Cancel"/> and <see cref="Fail"/> may come from any thread.
/// </summary>
internal abstract class PacedWork : IValueTaskSource
{
    private const int Idle = 0; // no step is wanted
    private const int Waiting = 1; // in the scheduler's queue
    private const int Running = 2; // a worker has it
    private const int Ended = 3; // cancelled or failed; for ever

    private readonly TurnScheduler _scheduler;
    private ManualResetValueTaskSourceCore<bool> _step = new() { RunContinuationsAsynchronously = true };
    private CancellationToken _cancellationToken;
    private int _state;

    protected PacedWork(TurnScheduler scheduler) => _scheduler = scheduler;

    /// <summary>Asks for the next step and waits until it is done.</summary>
    /// <param name="cancellationToken">
    /// Always the same one. Whoever made the work calls <see cref="Cancel"/> when it is cancelled: one registration for
    /// all steps.
    /// </param>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    /// <exception cref="BackendException">It failed, or the scheduler was stopped.</exception>
    public ValueTask NextStepAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _cancellationToken = cancellationToken;
        _step.Reset();
        if (Interlocked.CompareExchange(ref _state, Waiting, Idle) != Idle)
            throw new InvalidOperationException("A step is wanted already, or the work has ended.");
        _scheduler.Enqueue(this);
        return new ValueTask(this, _step.Version);
    }

    /// <summary>
    /// Lets a reader that waits go: at once if the work is queued, after the running turn otherwise. A worker never has
    /// the work any more when the reader hears of it.
    /// </summary>
    public void Cancel() => Fail(new OperationCanceledException(_cancellationToken));

    /// <summary>Ends queued work with an error. Running work is left to its worker, idle work to its reader.</summary>
    public void Fail(Exception error)
    {
        if (Interlocked.CompareExchange(ref _state, Ended, Waiting) == Waiting) _step.SetException(error);
    }

    /// <summary>Does one turn. Called by one worker at a time.</summary>
    /// <returns>False if the work ended meanwhile, or its step is done; true to be queued again.</returns>
    public bool TakeTurn(int worker)
    {
        if (Interlocked.CompareExchange(ref _state, Running, Waiting) != Waiting) return false;
        try
        {
            if (!_cancellationToken.IsCancellationRequested && !RunTurn(worker, _cancellationToken))
            {
                // A cancel from here on is found when the work is taken again, before it runs.
                Volatile.Write(ref _state, Waiting);
                return true;
            }

            _cancellationToken.ThrowIfCancellationRequested();
        }
        catch (Exception error)
        {
            // Whatever goes wrong belongs to this stream's reader; the worker serves the others.
            Volatile.Write(ref _state, Ended);
            _step.SetException(error is BackendException or OperationCanceledException
                ? error
                : new BackendException(BackendFailure.Failed, "the embedded model failed", error));
            return false;
        }

        // Idle first: the reader may ask again before SetResult returns.
        Volatile.Write(ref _state, Idle);
        _step.SetResult(true);
        return false;
    }

    void IValueTaskSource.GetResult(short token) => _step.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _step.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _step.OnCompleted(continuation, state, token, flags);

    /// <summary>Does a bounded piece of the step.</summary>
    /// <param name="worker">Index of the worker, from 0, for buffers that each has.</param>
    /// <param name="cancellationToken">When cancelled, return soon; the value does not matter then.</param>
    /// <returns>Whether the step is done.</returns>
    protected abstract bool RunTurn(int worker, CancellationToken cancellationToken);
}
