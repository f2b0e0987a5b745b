using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Reports;

/// <summary>The first screen of a report: what ran, whether it met its objectives, the figures that matter.</summary>
internal static class ReportSummary
{
    /// <summary>Writes it.</summary>
    public static void Write(Markup markup, BenchRun run)
    {
        using (markup.In("header"))
        {
            markup.Element("p", "grpcllm bench", ("class", "kicker"));
            markup.Element("h1", TitleOf(run));
            markup.Element("p", LoadText.Line(run.Load), ("class", "facts"));
            var started = $"{run.StartedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC, {Figures.Plural(run.Streams.Started, "stream")} started";
            markup.Element("p", $"{run.Load.Target}, {started}", ("class", "facts"));
        }

        WriteEnd(markup, run);
        WriteVerdict(markup, RunVerdict.Of(run), run);
        WriteTiles(markup, run);
        WriteObjectives(markup, run);
    }

    /// <summary>What a run is called: its name, else its model.</summary>
    public static string TitleOf(BenchRun run) => run switch
    {
        { Name.Length: > 0 } => run.Name,
        { Load.Model.Length: > 0 } => run.Load.Model,
        _ => "Benchmark",
    };

    private static void WriteEnd(Markup markup, BenchRun run)
    {
        if (RunEnds.IsPlanned(run.End)) return;
        using (markup.In("div", ("class", "banner"), ("role", "note")))
        using (markup.In("p"))
        {
            markup.Element("strong", run.End switch
            {
                RunEnd.Interrupted => "This run was interrupted.",
                RunEnd.OpenLimit => "This run was stopped: too many streams were open.",
                _ => "This run was stopped: the target stopped answering.",
            });
            markup.Text($" {(run.EndDetail.Length > 0 ? run.EndDetail + " " : "")}The figures are of what there is.");
            if (run.Streams.Unfinished is > 0 and var left)
                markup.Text($" {Figures.Plural(left, "stream")} still ran and {(left == 1 ? "is" : "are")} in none of them.");
        }
    }

    private static void WriteVerdict(Markup markup, RunVerdict verdict, BenchRun run)
    {
        var (style, sign, words) = verdict.Kind switch
        {
            VerdictKind.Met => ("verdict met", "\u2713", "Met"),
            VerdictKind.Missed => ("verdict missed", "\u2715", "Missed"),
            _ => ("verdict", "\u2013", run.Slos.Count > 0 ? "Measured against its objectives, nothing required" : "No objective stated"),
        };
        using (markup.In("div", ("class", style)))
        {
            markup.Element("span", sign, ("class", "sign"), ("aria-hidden", "true"));
            using (markup.In("div"))
            {
                markup.Element("strong", words);
                markup.Element("p", verdict.Reasons.Count > 0
                    ? string.Join(" ", verdict.Reasons)
                    : "State one with --slo ttft=200ms, and the report says how many streams met it.");
            }
        }
    }

    private static void WriteTiles(Markup markup, BenchRun run)
    {
        using (markup.In("div", ("class", "tiles")))
        {
            WriteLatency(markup, run, MetricNames.Ttft);
            WriteLatency(markup, run, MetricNames.Tpot);
            Tile.Write(markup, "Output tokens", "Output tokens a second over the measured part, as they arrived, whatever became of their stream.",
                (Figures.Rate(run.Throughput.OutputTokensPerSecond), "tokens/s", false),
                (Figures.Rate(run.Throughput.RequestsPerSecond), "requests/s", false));
            if (run.Goodput is { } goodput)
            {
                Tile.Write(markup, "Goodput", "Streams that met every objective: a second, and as a share of all measured streams, failed ones included.",
                    (Figures.Rate(goodput.RequestsPerSecond), "requests/s", false),
                    (Figures.Share(goodput.Share), "of streams", goodput.Share < goodput.Required));
            }
            else
            {
                Tile.Write(markup, "Goodput", "Streams that met every objective. None was stated.", ("\u2013", "no SLO", false));
            }

            var failed = RunVerdict.FailedShare(run);
            Tile.Write(markup, "Errors", "Measured streams that failed, and their share. They are in no latency.",
                (Figures.Count(run.Streams.Failed), $"of {Figures.Count(run.Streams.Succeeded + run.Streams.Failed)}", run.Streams.Failed > 0),
                (failed is { } share ? Figures.Share(share) : "\u2013", "of streams", run.Streams.Failed > 0));
        }
    }

    private static void WriteLatency(Markup markup, BenchRun run, string metric)
    {
        var (_, label, definition) = MetricNames.All.Single(one => one.Name == metric);
        if (run.Metrics.GetValueOrDefault(metric) is { } values)
            Tile.Write(markup, label, definition, (Figures.Time(values.P50), "p50", false), (Figures.Time(values.P99), "p99", false));
        else
            Tile.Write(markup, label, definition, ("\u2013", run.Streams.Succeeded > 0 ? "no stream has one" : "no stream succeeded", false));
    }

    private static void WriteObjectives(Markup markup, BenchRun run)
    {
        if (run.Slos.Count == 0 || run.Goodput is null) return;
        using (markup.In("div", ("class", "meters")))
        {
            foreach (var slo in run.Slos)
                Meter.Write(markup, $"{ReportTables.LabelOf(slo.Metric)} within {Figures.Given(Figures.Time(slo.Limit))}", slo.Share);
            Meter.Write(markup, run.Slos.Count > 1 ? "All of them (goodput)" : "Goodput", run.Goodput.Share, run.Goodput.Required);
        }
    }
}
