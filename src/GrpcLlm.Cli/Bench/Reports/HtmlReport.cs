using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Reports;

/// <summary>
/// A result file as a page that needs nothing but itself: the newest run in detail, the others in a table. All text from
/// outside is escaped, and the page's policy lets a browser load and run nothing.
/// </summary>
internal static class HtmlReport
{
    private static readonly (string Id, string Title)[] Sections =
    [
        ("latency", "Latency"),
        ("time", "Over time"),
        ("rows", "Streams"),
        ("sides", "Client and server"),
        ("metrics", "All metrics"),
        ("errors", "Errors"),
        ("settings", "Load and environment"),
        ("runs", "Runs"),
        ("raw", "Raw data"),
    ];

    /// <summary>Writes the report of a file with at least one run.</summary>
    public static void Write(BenchFile file, TextWriter output)
    {
        var run = file.Runs[^1];
        Page.Write(output, $"{ReportSummary.TitleOf(run)} \u2013 grpcllm bench", page =>
        {
            ReportSummary.Write(page, run);
            WriteContents(page, file);
            WriteLatency(page, run);
            WriteTime(page, run);
            WriteStreams(page, run);
            WriteSides(page, run);
            WriteMetrics(page, run);
            WriteErrors(page, run);
            WriteSettings(page, run);
            if (file.Runs.Count > 1) Section(page, "runs", () => Card(page, ReportTables.Runs(file), "Runs"));
            WriteRaw(page, file);
        });
    }

    private static void WriteContents(Markup page, BenchFile file)
    {
        using (page.In("nav", ("aria-label", "Contents")))
        using (page.In("ul", ("class", "contents")))
        {
            foreach (var (id, title) in Sections.Where(section => section.Id != "runs" || file.Runs.Count > 1))
            {
                using (page.In("li")) page.Element("a", title, ("href", $"#{id}"));
            }
        }
    }

    private static void Section(Markup page, string id, Action content)
    {
        using (page.In("section", ("aria-labelledby", id)))
        {
            page.Element("h2", Sections.Single(section => section.Id == id).Title, ("id", id));
            content();
        }
    }

    private static void Card(Markup page, PlotTable table, string name, string? style = null)
    {
        using (page.In("div", ("class", "card"))) Tables.Write(page, table, name, style);
    }

    private static void WriteLatency(Markup page, BenchRun run) => Section(page, "latency", () =>
    {
        using (page.In("div", ("class", "plots")))
        {
            WriteDistribution(page, run, MetricNames.Ttft);
            WriteDistribution(page, run, MetricNames.Tpot);
        }
    });

    private static void WriteDistribution(Markup page, BenchRun run, string metric)
    {
        var label = ReportTables.LabelOf(metric);
        if (run.Metrics.GetValueOrDefault(metric) is not { } values)
        {
            PlotFigure.WriteEmpty(page, metric, label, run.Streams.Succeeded == 0
                ? "No measured stream succeeded, so there is no latency to show."
                : "No stream had two output tokens, so there is no time between tokens to show.");
            return;
        }

        var limit = run.Slos.FirstOrDefault(slo => slo.Metric == metric)?.Limit;
        PlotFigure.Write(page, LatencyPlots.Curve($"{metric}-curve", label, [new LatencySeries("s1", "", values)], limit));
        PlotFigure.Write(page, LatencyPlots.Histogram($"{metric}-histogram", label, values, limit));
    }

    private static void WriteTime(Markup page, BenchRun run) => Section(page, "time", () =>
    {
        if (run.Timeline.Count == 0)
        {
            PlotFigure.WriteEmpty(page, "timeline", "Timeline", "Nothing happened in this run.");
            return;
        }

        var plots = new TimePlots(run);
        using (page.In("div", ("class", "plots")))
        {
            PlotFigure.Write(page, plots.Tokens());
            if (plots.Ttft() is { } ttft) PlotFigure.Write(page, ttft);
            else PlotFigure.WriteEmpty(page, "ttft-time", "TTFT over time", "No stream got a first token.");
            if (plots.Errors() is { } errors) PlotFigure.Write(page, errors);
            else
            {
                var none = $"None: no stream of {Figures.Count(run.Streams.Started)} failed.";
                PlotFigure.WriteEmpty(page, "errors-time", "Errors over time, by reason", none);
            }

            PlotFigure.Write(page, plots.Open());
        }
    });

    private static void WriteStreams(Markup page, BenchRun run) => Section(page, "rows", () =>
    {
        using (page.In("div", ("class", "plots")))
        {
            if (run.StreamSamples.Count == 0)
            {
                PlotFigure.WriteEmpty(page, "streams", "Streams over the run", "No measured stream came to its end.");
                return;
            }

            PlotFigure.Write(page, StreamPlots.InRun(run));
            PlotFigure.Write(page, StreamPlots.FromTheirStart(run));
        }
    });

    private static void WriteSides(Markup page, BenchRun run) => Section(page, "sides", () =>
    {
        if (ReportTables.ClientAndServer(run) is { } table) Card(page, table, "Times of client and server");
        else PlotFigure.WriteEmpty(page, "sides-none", "Times of client and server", "The server told no times of its own in its trailers.");
        if (ReportTables.Timing(run) is not { } timing) return;
        using (page.In("div", ("class", "card settings")))
        {
            page.Element("h3", "How exact these times are");
            Tables.Write(page, timing, "How exact these times are");
        }
    });

    private static void WriteMetrics(Markup page, BenchRun run) => Section(page, "metrics", () =>
    {
        using (page.In("div", ("class", "card")))
        {
            Tables.Write(page, ReportTables.Metrics(run), "All metrics");
            using (page.In("dl", ("class", "terms")))
            {
                foreach (var (_, label, definition) in MetricNames.All)
                {
                    using (page.In("div"))
                    {
                        page.Element("dt", label);
                        page.Element("dd", definition);
                    }
                }
            }
        }
    });

    private static void WriteErrors(Markup page, BenchRun run) => Section(page, "errors", () =>
    {
        if (run.Errors.Count > 0) Card(page, ReportTables.Errors(run), "Errors by reason", "words");
        else PlotFigure.WriteEmpty(page, "errors-none", "Errors by reason", "None.");
    });

    private static void WriteSettings(Markup page, BenchRun run) => Section(page, "settings", () =>
    {
        if (run.Caveats.Count > 0)
        {
            using (page.In("div", ("class", "verdict")))
            using (page.In("div"))
            {
                page.Element("strong", "To judge these figures");
                foreach (var caveat in run.Caveats) page.Element("p", caveat);
            }
        }

        using (page.In("div", ("class", "plots settings")))
        {
            Card(page, ReportTables.Load(run), "Load", "words");
            Card(page, ReportTables.Run(run), "Run and environment", "words");
        }
    });

    private static void WriteRaw(Markup page, BenchFile file) => Section(page, "raw", () =>
    {
        var json = BenchJson.Compact(file);
        var size = $"{Figures.Rate(json.Length / 1000.0)} kB";
        page.Element("p", $"The result file with everything on this page, {size} of JSON. grpcllm bench compare reads it.", ("class", "prose"));
        page.Element("a", "Download the JSON", ("class", "button"), ("download", "grpcllm-bench.json"),
            ("href", "data:application/json;base64," + Convert.ToBase64String(json)));
    });
}
