using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>
/// Callers that each wait for their answer before they ask again; their number may change over time. A caller too many
/// leaves after its call.
/// </summary>
internal sealed class ClosedLoop(LoadPlan plan, CallRunner runner, RunControl control, RunClock clock, TimeProvider time)
{
    /// <summary>Runs until the run stops and every call has ended.</summary>
    public async Task RunAsync()
    {
        var callers = new List<Task>();
        while (!control.Stopping.IsCancellationRequested)
        {
            var now = (double)clock.Now() / RunClock.Second;
            for (var index = callers.Count; index < CallersAt(now); index++) callers.Add(CallAsync(index));
            var change = plan.Curve.NextChangeAfter(now);
            if (double.IsPositiveInfinity(change)) break;
            await Task.Delay(TimeSpan.FromSeconds(change - now), time, control.Stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await Task.WhenAll(callers);

        // Nobody is left, and nothing else has ended the run: the schedule went down to nothing.
        control.Stop(RunEnd.Schedule);
    }

    private int CallersAt(double seconds) => (int)Math.Floor(plan.Curve.ValueAt(seconds) + 1e-9);

    private async Task CallAsync(int index)
    {
        // A caller does not hold up those that start with it.
        await Task.Yield();
        var workerId = $"g{index}";
        try
        {
            while (!control.Stopping.IsCancellationRequested && index < CallersAt((double)clock.Now() / RunClock.Second))
            {
                if (runner.TakeNumber() is not { } number) return;
                if (await runner.RunAsync(number, planned: null, workerId)) continue;
                await Task.Delay(plan.ReconnectPause, time, control.Stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        catch (Exception exception)
        {
            // A fault of this program ends the whole run, not one caller of it.
            control.Break(exception);
        }
    }
}
