using Grpc.Core;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Admission;

/// <summary>Why a generation is told to end before its backend is done.</summary>
internal enum StopCause
{
    /// <summary>It is not.</summary>
    None,

    /// <summary>The client cancelled, reset the stream or went away.</summary>
    ClientGone,

    /// <summary>The client did not take output for longer than allowed.</summary>
    ClientStalled,

    /// <summary>Its <c>time_budget</c> or its deadline, less a margin, ran out.</summary>
    TimeBudget,

    /// <summary>CancelGeneration was called.</summary>
    Cancelled,

    /// <summary>The server shuts down and the grace is over.</summary>
    Draining,

    /// <summary>The call broke off in this service.</summary>
    Abandoned,
}

/// <summary>
/// The one cancellation of a call: every reason to stop meets here, the first one wins, and one token carries it to
/// the backend. Thread-safe.
/// </summary>
internal sealed class CallLifetime : IDisposable
{
    /// <summary>What a timer can wait for; a longer budget, which the contract allows, is as good as none.</summary>
    private static readonly TimeSpan LongestBudget = TimeSpan.FromDays(49);

    private readonly CancellationTokenSource _source = new();
    private readonly CancellationTokenRegistration _clientGone;
    private readonly ITimer? _budgetTimer;
    private readonly TimeProvider _time;

    // Only for those who ask: most calls need none.
    private TaskCompletionSource? _stopped;
    private long _stoppedAt;
    private int _cause;

    /// <param name="budget">Time until <see cref="StopCause.TimeBudget"/>; null: none.</param>
    /// <param name="timeProvider">Clock of the budget, and of the time since the stop.</param>
    /// <param name="clientGone">The transport's own token.</param>
    public CallLifetime(TimeSpan? budget, TimeProvider timeProvider, CancellationToken clientGone)
    {
        Budget = budget;
        _time = timeProvider;

        // Over already: nothing may begin, and whatever else ends the call at this moment comes after.
        if (budget <= TimeSpan.Zero) Stop(StopCause.TimeBudget);
        _clientGone = clientGone.UnsafeRegister(
            static state => ((CallLifetime)state!).Stop(StopCause.ClientGone), this);
        if (budget > TimeSpan.Zero && budget <= LongestBudget)
        {
            _budgetTimer = timeProvider.CreateTimer(
                static state => ((CallLifetime)state!).Stop(StopCause.TimeBudget), this,
                budget.Value, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Time that the call had when it began; null: no limit.</summary>
    public TimeSpan? Budget { get; }

    /// <summary>Cancelled with the first reason to stop. Belongs to the backend, never to a write.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>Completes with the first reason to stop.</summary>
    public Task Stopped
    {
        get
        {
            var stopped = Volatile.Read(ref _stopped);
            if (stopped is null)
            {
                var made = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                stopped = Interlocked.CompareExchange(ref _stopped, made, null) ?? made;
            }

            // The cause is set before whoever stops looks here, so one of the two sees the other.
            if (Cause != StopCause.None) stopped.TrySetResult();
            return stopped.Task;
        }
    }

    /// <summary>The first reason to stop.</summary>
    public StopCause Cause => (StopCause)Volatile.Read(ref _cause);

    /// <summary>Time since the first reason to stop; only once there is a <see cref="Cause"/>.</summary>
    public TimeSpan SinceStop => _time.GetElapsedTime(Volatile.Read(ref _stoppedAt));

    /// <summary>Stops the generation, if nothing did before.</summary>
    /// <returns>Whether this was the first reason.</returns>
    public bool Stop(StopCause cause)
    {
        // Before the cause, so that whoever sees the cause finds the time.
        Interlocked.CompareExchange(ref _stoppedAt, _time.GetTimestamp(), 0);
        if (Interlocked.CompareExchange(ref _cause, (int)cause, (int)StopCause.None) != (int)StopCause.None)
            return false;
        Volatile.Read(ref _stopped)?.TrySetResult();
        try
        {
            _source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The call ended on its own at this very moment; there is nothing left to stop.
        }

        return true;
    }

    /// <summary>
    /// Time for a call, from its own budget and the client's deadline; the earlier one counts. At the deadline gRPC
    /// drops all trailers, so the call ends a margin before it: <paramref name="deadlineMargin"/>, at most a tenth of
    /// what was given.
    /// </summary>
    /// <param name="deadline">As <see cref="ServerCallContext.Deadline"/>: <see cref="DateTime.MaxValue"/> for none.</param>
    /// <param name="timeBudget">The request's <c>time_budget</c>; null for none.</param>
    /// <param name="deadlineMargin">Configured margin.</param>
    /// <param name="clock">The call's clock: budgets count from acceptance.</param>
    /// <returns>Time from now; null for no limit. Zero or negative: it is over already.</returns>
    public static TimeSpan? TimeLeft(
        DateTime deadline, TimeSpan? timeBudget, TimeSpan deadlineMargin, CallClock clock)
    {
        var elapsed = TimeSpan.FromMicroseconds(clock.ElapsedMicroseconds);
        var left = timeBudget - elapsed;
        if (deadline == DateTime.MaxValue) return left;

        var given = deadline - clock.AcceptedAt.UtcDateTime;
        var margin = TimeSpan.FromTicks(Math.Min(deadlineMargin.Ticks, Math.Max(0, given.Ticks / 10)));
        var untilDeadline = given - margin - elapsed;
        return left is { } budget && budget < untilDeadline ? budget : untilDeadline;
    }

    public void Dispose()
    {
        _clientGone.Dispose();
        _budgetTimer?.Dispose();
        _source.Dispose();
    }
}
