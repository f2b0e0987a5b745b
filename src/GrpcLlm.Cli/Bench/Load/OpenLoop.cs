using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>
/// Calls that start when they were planned, whatever became of those before. When this program is late, calls start at
/// once, one after the other: the plan is neither dropped nor moved, and the time of each counts from its plan.
/// </summary>
/// <param name="plan">The load.</param>
/// <param name="runner">Makes the calls.</param>
/// <param name="control">Ends the run.</param>
/// <param name="clock">Time of the run.</param>
/// <param name="live">Counts open streams.</param>
/// <param name="sleep">Blocks for a time that is short.</param>
internal sealed class OpenLoop(
    LoadPlan plan, CallRunner runner, RunControl control, RunClock clock, LiveCounters live, Action<TimeSpan> sleep)
{
    /// <summary>Longest sleep, so that an end of the run is noticed.</summary>
    private const long LongestSleep = 20 * 1000 * RunClock.Microsecond;

    private const string WorkerId = "g0";

    private readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Calls that run, and one for the plan itself.</summary>
    private int _running = 1;

    /// <summary>Runs until the run stops and every call has ended.</summary>
    public Task RunAsync()
    {
        // A thread of its own: in the pool it would wait behind the work that its calls make.
        new Thread(Pace) { IsBackground = true, Name = "pacer" }.Start();
        return _idle.Task;
    }

    private void Pace()
    {
        try
        {
            FollowPlan();
        }
        catch (Exception exception)
        {
            // The outermost frame of the thread; the run tells it.
            control.Break(exception);
        }
        finally
        {
            Leave();
        }
    }

    private void FollowPlan()
    {
        using var arrivals = new ArrivalPlan(plan.Curve, plan.IsPoisson, plan.Seed);
        var last = plan.Duration is { } duration ? RunClock.Of(duration) : long.MaxValue;
        while (!control.Stopping.IsCancellationRequested)
        {
            if (arrivals.Next() is not { } planned)
            {
                control.Stop(RunEnd.Schedule);
                return;
            }

            if (planned >= last)
            {
                control.Stop(RunEnd.Duration);
                return;
            }

            if (runner.TakeNumber() is not { } number || !WaitUntil(planned)) return;
            if (live.Open >= plan.MaxOpen)
            {
                var detail = $"{plan.MaxOpen} streams were open at once: the target does not keep up, and --max-open allows no more.";
                control.Stop(RunEnd.OpenLimit, detail, cancelCalls: true);
                return;
            }

            Interlocked.Increment(ref _running);
            _ = RunAsync(number, planned);
        }
    }

    private bool WaitUntil(long planned)
    {
        while (!control.Stopping.IsCancellationRequested)
        {
            var left = planned - clock.Now();
            if (left <= 0) return true;
            sleep(RunClock.SpanOf(Math.Min(left, LongestSleep)));
        }

        return false;
    }

    private async Task RunAsync(long number, long planned)
    {
        try
        {
            await runner.RunAsync(number, planned, WorkerId);
        }
        catch (Exception exception)
        {
            // A fault of this program ends the whole run, not one call of it.
            control.Break(exception);
        }
        finally
        {
            Leave();
        }
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref _running) == 0) _idle.SetResult();
    }
}
