using System.Runtime.ExceptionServices;
using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.Cli.Bench.Profiles;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>Whether a run goes on, and why it does not. Thread-safe.</summary>
internal sealed class RunControl(LoadPlan plan) : IDisposable
{
    /// <summary>Fewest failed connections in a row that count as a loss.</summary>
    private const int LeastFailures = 10;

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _ending = new();
    private (RunEnd End, string Detail)? _end;
    private ExceptionDispatchInfo? _failure;
    private long _failures;
    private long _firstFailure;

    /// <summary>No call starts any more.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>Running calls are cancelled.</summary>
    public CancellationToken Ending => _ending.Token;

    /// <summary>Why the run ended; null while it has not.</summary>
    public (RunEnd End, string Detail)? End
    {
        get
        {
            lock (_gate) return _end;
        }
    }

    /// <summary>Whether a call that the end of the run cancels counts as failed.</summary>
    public bool CountsCancelled => plan.DurationStop == GhzDurationStop.Close && End is { End: RunEnd.Duration };

    /// <summary>Ends the run, or cuts short the wait for its last calls.</summary>
    /// <param name="end">Why. An end that was not planned takes the place of one that was.</param>
    /// <param name="detail">More about an end that was not planned.</param>
    /// <param name="cancelCalls">Whether running calls are cancelled; else they are waited for.</param>
    public void Stop(RunEnd end, string detail = "", bool cancelCalls = false)
    {
        lock (_gate)
        {
            if (_end is null || (IsPlanned(_end.Value.End) && !IsPlanned(end))) _end = (end, detail);
        }

        _stopping.Cancel();
        if (cancelCalls) _ending.Cancel();
    }

    /// <summary>Ends the run by a fault of this program; <see cref="ThrowIfBroken"/> tells it.</summary>
    public void Break(Exception exception)
    {
        lock (_gate) _failure ??= ExceptionDispatchInfo.Capture(exception);
        Stop(RunEnd.Interrupted, exception.Message, cancelCalls: true);
    }

    /// <summary>Throws what <see cref="Break"/> was given.</summary>
    public void ThrowIfBroken()
    {
        lock (_gate) _failure?.Throw();
    }

    /// <summary>The target answered.</summary>
    public void Answered() => Volatile.Write(ref _failures, 0);

    /// <summary>A call found no target: neither connection nor answer.</summary>
    /// <param name="now">When, in nanoseconds.</param>
    /// <param name="message">What was wrong.</param>
    public void FoundNobody(long now, string message)
    {
        lock (_gate)
        {
            if (Volatile.Read(ref _failures) == 0) _firstFailure = now;
            var failures = Interlocked.Increment(ref _failures);
            if (failures < LeastFailures || now - _firstFailure < RunClock.Of(plan.TargetLostAfter)) return;
        }

        Stop(RunEnd.TargetLost, $"The target stopped answering: {message}", cancelCalls: true);
    }

    public void Dispose()
    {
        _stopping.Dispose();
        _ending.Dispose();
    }

    private static bool IsPlanned(RunEnd end) => end is RunEnd.Total or RunEnd.Duration or RunEnd.Schedule;
}
