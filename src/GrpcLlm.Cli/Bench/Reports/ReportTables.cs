using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Reports;

/// <summary>The tables of a report.</summary>
internal static class ReportTables
{
    private const string None = "\u2013";

    /// <summary>What a caller sees beside what the server says of the same streams.</summary>
    private static readonly (string What, string Client, string Server)[] Sides =
    [
        ("Time to first token", MetricNames.Ttft, MetricNames.ServerTtft),
        ("Time per output token", MetricNames.Tpot, MetricNames.ServerTpot),
        ("Whole call", MetricNames.E2e, MetricNames.ServerTotal),
    ];

    private static readonly string[] ServerParts =
        [MetricNames.NetworkTtft, MetricNames.ServerQueue, MetricNames.ServerOverhead, MetricNames.ClientStall];

    /// <summary>How a metric is called in reports.</summary>
    public static string LabelOf(string metric) => MetricNames.All.Single(one => one.Name == metric).Label;

    /// <summary>Client beside server; null: the server told nothing.</summary>
    public static PlotTable? ClientAndServer(BenchRun run)
    {
        if (!ServerParts.Concat(Sides.Select(side => side.Server)).Any(run.Metrics.ContainsKey)) return null;
        string P50(string metric) => Tails(run.Metrics.GetValueOrDefault(metric))[0];
        string P99(string metric) => Tails(run.Metrics.GetValueOrDefault(metric))[1];
        var rows = new List<IReadOnlyList<string>>();
        foreach (var (what, client, server) in Sides)
        {
            rows.Add([what, P50(client), P50(server), P99(client), P99(server)]);
        }

        foreach (var part in ServerParts.Where(run.Metrics.ContainsKey))
        {
            // What lies between the two is the client's to see only by subtraction; the rest is the server's word.
            var seen = part == MetricNames.NetworkTtft;
            var (p50, p99) = (P50(part), P99(part));
            rows.Add([LabelOf(part), seen ? p50 : "", seen ? "" : p50, seen ? p99 : "", seen ? "" : p99]);
        }

        return new PlotTable(["", "Client p50", "Server p50", "Client p99", "Server p99"], rows,
            "The server's times come in the trailers of each stream. Percentiles of two sides do not subtract; "
            + "Network TTFT is the difference of each stream.");
    }

    /// <summary>Every metric.</summary>
    public static PlotTable Metrics(BenchRun run) => new(
        ["Metric", "Values", "Mean", .. LatencyPlots.Rows().Select(row => row.Name)],
        [.. MetricNames.All.Select(metric => (IReadOnlyList<string>)[metric.Label, .. Cells(run.Metrics.GetValueOrDefault(metric.Name))])],
        "Over successful measured streams; errors are in none of them. Percentiles are exact or too large by less than 0.1 %.");

    /// <summary>Errors by reason.</summary>
    public static PlotTable Errors(BenchRun run) => new(
        ["Reason", "Status", "Streams", "Share", "After first token", "First message"],
        [.. run.Errors.Select(error => (IReadOnlyList<string>)
        [
            error.Reason,
            error.Status,
            Figures.Count(error.Count),
            Figures.Share((double)error.Count / Math.Max(run.Streams.Succeeded + run.Streams.Failed, error.Count)),
            Figures.Count(error.AfterFirstToken),
            error.Example,
        ])]);

    /// <summary>What was asked for.</summary>
    public static PlotTable Load(BenchRun run) => new(
        ["Load", ""],
        [
            .. LoadText.Rows(run.Load).Concat(run.Tags.Select(tag => ($"Tag {tag.Key}", tag.Value)))
                .Select(row => (IReadOnlyList<string>)[row.Item1, row.Item2]),
        ]);

    /// <summary>What measured, and what became of the streams.</summary>
    public static PlotTable Run(BenchRun run) => new(
        ["Run", ""],
        [
            .. new (string Name, string Value)[]
            {
                ("Ended", RunEnds.Words(run.End)),
                ("Measured part", Figures.Seconds(run.MeasuredSeconds)),
                ("Started", Figures.Count(run.Streams.Started)),
                ("Succeeded", Figures.Count(run.Streams.Succeeded) + FinishesOf(run)),
                ("Failed", Figures.Count(run.Streams.Failed)),
                ("Left out as warm-up", Figures.Count(run.Streams.Warmup)),
                ("Unfinished", Figures.Count(run.Streams.Unfinished)),
                ("Tokens", $"{Figures.Count(run.Throughput.InputTokens)} in, {Figures.Count(run.Throughput.OutputTokens)} out"),
                ("Messages", $"{Figures.Count(run.Throughput.Chunks)}, {Figures.Rate(run.Throughput.ChunksPerSecond)} a second"),
                ("Tool", $"grpcllm {run.Environment.ToolVersion}"),
                ("System", run.Environment.System),
                (".NET", run.Environment.Runtime),
                ("Processors", Figures.Count(run.Environment.Processors)),
                ("Target", PlaceOf(run.Environment)),
            }.Select(row => (IReadOnlyList<string>)[row.Name, row.Value]),
        ]);

    /// <summary>How exact this program's times are; null: not measured.</summary>
    public static PlotTable? Timing(BenchRun run)
    {
        if (run.TimingCheck is not { } check) return null;
        static IReadOnlyList<string> Row(string name, Percentiles error) => [name, Figures.Time(error.P50), Figures.Time(error.P90), Figures.Time(error.P99)];
        return new PlotTable(
            ["", "p50", "p90", "p99"],
            [Row("Time to first token", check.TtftError), Row("Later tokens, from the first", check.TokenError)],
            $"Measured less scheduled, against a schedule of {Figures.Given(Figures.Time(check.ScheduledTtft))} to the first token "
            + $"and {Figures.Given(Figures.Time(check.ScheduledItl))} between tokens.");
    }

    /// <summary>The runs of a file, the newest first.</summary>
    public static PlotTable Runs(BenchFile file) => new(
        ["Started (UTC)", "End", "Streams", "Failed", "TTFT p50", "TTFT p99", "TPOT p50", "TPOT p99", "Tokens/s", "Goodput"],
        [.. file.Runs.Reverse().Select(run => (IReadOnlyList<string>)
        [
            $"{run.StartedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss}",
            RunEnds.Words(run.End),
            Figures.Count(run.Streams.Succeeded + run.Streams.Failed),
            Figures.Count(run.Streams.Failed),
            .. Tails(run.Metrics.GetValueOrDefault(MetricNames.Ttft)),
            .. Tails(run.Metrics.GetValueOrDefault(MetricNames.Tpot)),
            Figures.Rate(run.Throughput.OutputTokensPerSecond),
            run.Goodput is { } goodput ? Figures.Share(goodput.Share) : None,
        ])]);

    private static string FinishesOf(BenchRun run)
    {
        var reasons = string.Join(", ", run.FinishReasons.Select(reason => $"{reason.Key} {Figures.Count(reason.Value)}"));
        return reasons.Length > 0 ? $" ({reasons})" : "";
    }

    private static string PlaceOf(RunEnvironment environment) => environment.SharesMachineWithTarget switch
    {
        true => "on this machine, shares its processors",
        false => "on another machine",
        null => "not known where",
    };

    private static string[] Tails(Distribution? values) => values is null ? [None, None] : [Figures.Time(values.P50), Figures.Time(values.P99)];

    private static IEnumerable<string> Cells(Distribution? values) => values is null
        ? Enumerable.Repeat(None, LatencyPlots.Rows().Count + 2)
        : [Figures.Count(values.Count), Figures.Time(values.Mean), .. LatencyPlots.Rows().Select(row => Figures.Time(row.Of(values)))];
}
