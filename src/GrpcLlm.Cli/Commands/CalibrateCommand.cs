using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Grpc.Core;
using GrpcLlm.Cli.Bench.Load;
using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.Cli.Bench.Profiles;
using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Cli.Bench.Terminal;
using GrpcLlm.Cli.Output;
using GrpcLlm.Client;
using GrpcLlm.Pages;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Commands;

/// <summary>
/// <c>grpcllm bench calibrate</c>: how exact this program measures, and how much it can drive, against a simulator whose
/// schedule is known.
/// </summary>
internal static class CalibrateCommand
{
    private const int Tokens = 50;
    private const int LeastCalls = 10;
    private const int CallsPerCaller = 3;
    private const int FloodCallers = 16;
    private const int FloodTokens = 5000;

    private static readonly TimeSpan Ttft = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Itl = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan FloodDuration = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan FloodWarmup = TimeSpan.FromSeconds(3);

    public static Command Create(CliConsole console)
    {
        var callers = new Option<int[]>("--callers")
        {
            Description = "Callers at a time. Repeatable. Default: 1 and 200.",
            HelpName = "N",
            AllowMultipleArgumentsPerToken = true,
        };
        var connections = new Option<int>("--connections") { Description = "HTTP/2 connections.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var model = new Option<string>("--model", "-m")
        {
            Description = "A model on a simulator with AllowRequestOverrides.",
            HelpName = "NAME",
            DefaultValueFactory = _ => "simulator",
        };
        var command = new Command(
            "calibrate", "Measure this program's own timing error against a simulator's known schedule, and the rate that it can drive.")
        {
            callers, connections, model,
        };
        command.SetAction((parsed, cancellationToken) =>
        {
            int[] levels = parsed.GetValue(callers) is { Length: > 0 } given ? given : [1, 200];
            if (levels.Any(level => level < 1) || parsed.GetValue(connections) < 1)
                throw new UsageException("Callers and connections must be 1 or more.");
            return RunAsync(levels, parsed.GetValue(connections), parsed.GetValue(model)!, console, CommonOptions.Of(parsed), cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        int[] levels, int connections, string model, CliConsole console, CommonOptions common, CancellationToken cancellationToken)
    {
        var options = common.ClientOptionsIn(console);
        await PrepareAsync(options, model, cancellationToken);
        using var target = await Target.ConnectAsync(options, connections, cancellationToken);
        foreach (var callers in levels)
        {
            var run = await CheckAsync(target, callers, connections, model, console, common, cancellationToken);
            await TellAsync(run, console, common, () => CheckText(run));
            if (run.End != RunEnd.Total || run.Streams.Failed > 0) return CodeOfFailed(run);
        }

        var flood = await FloodAsync(target, connections, model, console, common, cancellationToken);
        await TellAsync(flood, console, common, () =>
            $"rate: {Figures.Rate(flood.Throughput.ChunksPerSecond)} chunks/s, read by {FloodCallers} callers on {Figures.Plural(connections, "connection")} as fast as they come");
        return flood.End != RunEnd.Duration || flood.Streams.Failed > 0 ? CodeOfFailed(flood) : ExitCodes.Well;
    }

    /// <summary>
    /// Makes calls that only a simulator under this program's orders answers as it must, until the server's code is warm:
    /// its own first calls are not what is to be measured.
    /// </summary>
    private static async Task PrepareAsync(GrpcLlmClientOptions options, string model, CancellationToken cancellationToken)
    {
        const int tokens = 3;
        using var client = new GrpcLlmClient(options);
        var headers = new Metadata();
        foreach (var (name, value) in OrdersFor(TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(1), tokens)) headers.Add(name, value);
        await WarmUp.RunAsync(
            async () =>
            {
                var came = 0u;
                await foreach (var chunk in client.GenerateAsync(RequestTo(model), new GenerateCallOptions { Headers = headers }, cancellationToken))
                {
                    came += chunk.TokenCount;
                    if (came > tokens) break;
                }

                return came == tokens
                    ? true
                    : throw new UsageException($"The model '{model}' does not follow the schedule that a call sets; calibration needs a simulator with AllowRequestOverrides.");
            },
            2 * WarmUp.Lots,
            cancellationToken);
    }

    private static async Task<BenchRun> CheckAsync(
        Target target, int callers, int connections, string model, CliConsole console, CommonOptions common, CancellationToken cancellationToken)
    {
        var plan = new LoadPlan
        {
            Name = $"calibrate-{callers}",

            // Callers come one by one over a second, or they would ask in step for good: what is to be measured is the time
            // of a call, not the queue of all of them at one moment.
            Curve = LoadCurve.Of(new GhzSchedule(IsLine: true, Start: 1, Step: callers, TimeSpan.FromSeconds(1), End: callers, MaxDuration: null)),
            Connections = connections,

            // The first call of each caller is the warm-up.
            SkipFirst = callers,
            Total = callers + Math.Max(LeastCalls, callers * CallsPerCaller),
        };
        var errors = new TimingErrors(Ttft, Itl);
        using var load = new LoadRun(plan, target, CallsOf(model, Ttft, Itl, Tokens), TimeProvider.System) { OnEnded = errors.Add };
        var run = await WithProgressAsync(load, plan, console, common, cancellationToken);
        return run with { TimingCheck = errors.ToCheck() };
    }

    private static async Task<BenchRun> FloodAsync(
        Target target, int connections, string model, CliConsole console, CommonOptions common, CancellationToken cancellationToken)
    {
        var plan = new LoadPlan
        {
            Name = "calibrate-rate",
            Curve = LoadCurve.Constant(FloodCallers),
            Connections = connections,
            Duration = FloodDuration,
            DurationStop = GhzDurationStop.Ignore,
            Warmup = FloodWarmup,
        };
        using var load = new LoadRun(plan, target, CallsOf(model, TimeSpan.Zero, TimeSpan.Zero, FloodTokens), TimeProvider.System);
        return await WithProgressAsync(load, plan, console, common, cancellationToken);
    }

    private static async Task<BenchRun> WithProgressAsync(
        LoadRun load, LoadPlan plan, CliConsole console, CommonOptions common, CancellationToken cancellationToken)
    {
        await using var progress = new ProgressLine(common.IsJson ? console with { Color = false } : console, plan, load.Live, TimeProvider.System);
        return await load.RunAsync(cancellationToken);
    }

    private static CallSource CallsOf(string model, TimeSpan ttft, TimeSpan itl, int tokens)
    {
        var profile = new GhzProfile
        {
            Data = JsonDocument.Parse(JsonLine.Of(RequestTo(model))).RootElement,
            Metadata = OrdersFor(ttft, itl, tokens),
        };
        return new CallSource(CallTemplates.Of(profile, seed: 0, TimeProvider.System), dataset: null);
    }

    private static GenerateRequest RequestTo(string model) => new() { Model = model, Prompt = "Calibrate." };

    private static Dictionary<string, string> OrdersFor(TimeSpan ttft, TimeSpan itl, int tokens) => new(StringComparer.Ordinal)
    {
        ["simulate-ttft-ms"] = ttft.TotalMilliseconds.ToString(CultureInfo.InvariantCulture),
        ["simulate-itl-ms"] = itl.TotalMilliseconds.ToString(CultureInfo.InvariantCulture),
        ["simulate-output-tokens"] = tokens.ToString(CultureInfo.InvariantCulture),
    };

    private static async Task TellAsync(BenchRun run, CliConsole console, CommonOptions common, Func<string> text)
    {
        if (common.IsJson) await console.Out.WriteLineAsync(Encoding.UTF8.GetString(BenchJson.Compact(new BenchFile { Runs = [run] })));
        else if (common.IsVerbose) await RunSummary.WriteAsync(console.Out, run, withDefinitions: false);
        if (!common.IsJson) await console.Out.WriteLineAsync(text());
        await console.Out.FlushAsync();
    }

    private static string CheckText(BenchRun run)
    {
        var callers = Figures.Plural(run.Load.Concurrency ?? 0, "caller");
        if (run.TimingCheck is not { } check) return $"{callers}: nothing was measured";
        return $"{callers}: TTFT {Exact(run.Metrics[MetricNames.Ttft].P50)} of {Exact(check.ScheduledTtft)}, "
            + $"TPOT {Exact(run.Metrics[MetricNames.Tpot].P50)} of {Exact(check.ScheduledItl)} at the median\n"
            + $"  error of the first token    {Errors(check.TtftError)}\n"
            + $"  error of later tokens       {Errors(check.TokenError)}\n"
            + $"  of which the server knows   {ServerText(run, check)}";
    }

    private static string Exact(double milliseconds) => string.Create(CultureInfo.InvariantCulture, $"{milliseconds:0.00} ms");

    private static string Errors(Percentiles errors) =>
        $"p50 {Signed(errors.P50)}, p90 {Signed(errors.P90)}, p99 {Signed(errors.P99)}";

    private static string Signed(double milliseconds) =>
        string.Create(CultureInfo.InvariantCulture, $"{milliseconds:+0.00;-0.00;0.00} ms");

    private static string ServerText(BenchRun run, TimingCheck check) =>
        run.Metrics.TryGetValue(MetricNames.ServerTtft, out var ttft)
            ? $"p50 {Signed(ttft.P50 - check.ScheduledTtft)}, p90 {Signed(ttft.P90 - check.ScheduledTtft)}, p99 {Signed(ttft.P99 - check.ScheduledTtft)} of the first"
            : "nothing";

    private static int CodeOfFailed(BenchRun run) => run.End switch
    {
        RunEnd.Interrupted => ExitCodes.Interrupted,
        RunEnd.TargetLost => ExitCodes.Unavailable,
        _ => ExitCodes.Failed,
    };
}
