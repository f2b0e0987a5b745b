using System.Reflection;
using System.Runtime.InteropServices;
using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.Cli.Bench.Profiles;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>
/// One run: the load on one side, and on the other the one task that adds up what comes of it. For one use.
/// </summary>
internal sealed class LoadRun : IDisposable
{
    private readonly LoadPlan _plan;
    private readonly Target _target;
    private readonly CallSource _calls;
    private readonly TimeProvider _time;
    private readonly RunControl _control;

    /// <param name="plan">The load.</param>
    /// <param name="target">Connected.</param>
    /// <param name="calls">What is sent.</param>
    /// <param name="time">The clock.</param>
    public LoadRun(LoadPlan plan, Target target, CallSource calls, TimeProvider time)
    {
        _plan = plan;
        _target = target;
        _calls = calls;
        _time = time;
        _control = new RunControl(plan);
    }

    /// <summary>Counters of the running load.</summary>
    public LiveCounters Live { get; } = new();

    /// <summary>Sees every stream when it has ended, before its trace is used again; on one task, in that order.</summary>
    public Action<StreamTrace>? OnEnded { get; init; }

    /// <summary>Writes a line for every stream; null: nobody does.</summary>
    public StreamCsv? Csv { get; init; }

    /// <summary>Blocks the pacing thread.</summary>
    public Action<TimeSpan> Sleep { get; init; } = FineSleep.For;

    /// <summary>Runs the load to its end and tells what came of it.</summary>
    /// <param name="interrupted">Ends it early: calls that run are cancelled, what there is counts.</param>
    public async Task<BenchRun> RunAsync(CancellationToken interrupted)
    {
        var clock = new RunClock(_time);
        var runner = new CallRunner(_plan, _target, _calls, _control, clock, Live, _time);
        var aggregate = new RunAggregate(_plan.Slos, _plan.IsOpen, _plan.Seed, _plan.TimelineStep);
        var cost = ProcessCost.Start(_time);
        var adding = AddUpAsync(runner, aggregate);
        await using var interrupt = interrupted.Register(() => _control.Stop(RunEnd.Interrupted, "Interrupted.", cancelCalls: true));
        await using var end = StopAfterDuration();
        try
        {
            await (_plan.IsOpen
                ? new OpenLoop(_plan, runner, _control, clock, Live, Sleep).RunAsync()
                : new ClosedLoop(_plan, runner, _control, clock, _time).RunAsync());
        }
        finally
        {
            runner.Complete();
        }

        await adding;
        _control.ThrowIfBroken();
        var (why, detail) = _control.End!.Value;
        var run = new BenchRun
        {
            Name = _plan.Name,
            Tags = _plan.Tags,
            StartedAt = clock.StartedAt,
            End = why,
            EndDetail = detail,
            Environment = Environment(),
            Load = _plan.SettingsFor(_target.Address, _calls.ModelInUse()),
            ErrorBudget = _plan.ErrorBudget,
            MeasuredSeconds = 0,
            Streams = aggregate.Counts,
            Throughput = new Throughput(),
            Metrics = new Dictionary<string, Distribution>(StringComparer.Ordinal),
        };
        run = aggregate.Complete(run, runner.MeasuredFrom, _plan.RequiredGoodput);
        return run with { Caveats = Caveats.Of(run, _plan, aggregate.MostOpen, cost.Stop(_time)) };
    }

    public void Dispose() => _control.Dispose();

    private async Task AddUpAsync(CallRunner runner, RunAggregate aggregate)
    {
        // Not on the thread that starts the load.
        await Task.Yield();
        try
        {
            await foreach (var trace in runner.Ended.ReadAllAsync(CancellationToken.None))
            {
                aggregate.Add(trace);
                Csv?.Write(trace, aggregate.IsGood(trace));
                OnEnded?.Invoke(trace);
                runner.Return(trace);
            }
        }
        catch (Exception exception)
        {
            // A full disk, for one. Nothing is measured that nobody can read.
            _control.Break(exception);
        }
    }

    /// <summary>
    /// Ends the run when its time is over. An open loop that waits for its calls follows its plan to the end, however late.
    /// </summary>
    private ITimer? StopAfterDuration()
    {
        var waits = _plan.DurationStop == GhzDurationStop.Wait;
        if (_plan.Duration is not { } duration || (_plan.IsOpen && waits)) return null;
        return _time.CreateTimer(_ => _control.Stop(RunEnd.Duration, cancelCalls: !waits), null, duration, Timeout.InfiniteTimeSpan);
    }

    private RunEnvironment Environment() => new()
    {
        ToolVersion = typeof(LoadRun).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "",
        System = $"{RuntimeInformation.OSDescription.Trim()} {RuntimeInformation.OSArchitecture}",
        Runtime = RuntimeInformation.FrameworkDescription,
        Processors = global::System.Environment.ProcessorCount,
        SharesMachineWithTarget = _target.Address.IsLoopback ? true : null,
    };
}
