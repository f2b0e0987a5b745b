using System.Globalization;
using GrpcLlm.Pages;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Ops;

/// <summary>
/// The status page: is the server well, how fast is it, what fails and whose fault is it; then the last ten minutes. Its
/// script keeps it fresh; without one it is read by loading it again. All text is escaped.
/// </summary>
internal static class StatusPage
{
    private const string None = "\u2013";

    private static readonly PageParts Parts = new(Read("status.css"), Read("status.js"));

    /// <summary>What a browser may load and run for it. In no frame, so that nobody else's page wraps it.</summary>
    public static readonly string ContentSecurityPolicy = Parts.ContentSecurityPolicy + "; frame-ancestors 'none'";

    /// <summary>The page.</summary>
    public static string Render(StatusReport report)
    {
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        Page.Write(output, "Status \u2013 GrpcLlm", Parts, page =>
        {
            WriteHead(page, report);
            WriteVerdict(page, report);
            WriteTiles(page, report);
            WriteFailures(page, report);
            Section(page, "time", "Last ten minutes", () => StatusPlots.Write(page, report));
            Section(page, "backends", "Backends", () => WriteTable(page, StatusTables.Backends(report), "Backends", "lanes", "There are none."));
            Section(page, "models", "Models", () => WriteTable(page, StatusTables.Models(report), "Models", "models", "There are none."));
            WritePlaces(page, report.Admission);
            using (page.In("footer"))
            {
                page.Text("The same figures for scripts: ");
                page.Element("a", "status.json", ("href", "status.json"));
                page.Text(". Percentiles are within 2 % of the time that they stand for.");
            }
        });
        return output.ToString();
    }

    private static string Read(string name) => PageParts.Read(typeof(StatusPage).Assembly, "GrpcLlm.Server.Ops." + name);

    private static void WriteHead(Markup page, StatusReport report)
    {
        using (page.In("div", ("id", "stale"), ("class", "banner"), ("role", "alert"), ("hidden", "")))
        using (page.In("p"))
        {
            page.Element("strong", "No data");
            page.Element("span", "", ("id", "age"), ("aria-hidden", "true"));
            page.Text(". The server does not answer; the figures below are old.");
        }

        using (page.In("header"))
        {
            page.Element("p", $"GrpcLlm {report.Version}", ("class", "kicker"));
            page.Element("h1", "Status");
            using (page.In("p", ("class", "facts")))
            {
                page.Text($"Up {StatusWords.Age(TimeSpan.FromSeconds(report.UptimeSeconds))}, as of {StatusWords.Moment(report.Time)}. ");
                page.Element("span", "Load the page again for newer figures.", ("id", "live"));
            }
        }
    }

    private static void WriteVerdict(Markup page, StatusReport report)
    {
        var (style, sign, words) = report switch
        {
            { State: ServingState.Draining } => ("verdict missed", "\u2193", "Draining"),
            { State: ServingState.NotReady } => ("verdict missed", "\u2715", "Not ready"),
            { Troubles.Count: > 0 } => ("verdict missed", "!", "Ready, with trouble"),
            _ => ("verdict met", "\u2713", "Ready"),
        };
        using (page.In("div", ("class", style)))
        {
            page.Element("span", sign, ("class", "sign"), ("aria-hidden", "true"));
            using (page.In("div"))
            {
                page.Element("strong", words);
                page.Element("p", report switch
                {
                    { State: ServingState.Draining } => "The server stops: new calls are turned away soon, those that run may finish.",
                    { State: ServingState.NotReady } => "The server does not take calls yet.",
                    { Troubles.Count: > 0 } => "The server takes calls, but:",
                    { Calls.Ended: 0, Streams.Total: 0 } => "The server takes calls. None has come in the last ten minutes.",
                    _ => "The server takes calls, and nothing is known to be wrong.",
                });
                if (report.Troubles.Count == 0) return;
                using (page.In("ul"))
                {
                    foreach (var trouble in report.Troubles) page.Element("li", trouble);
                }
            }
        }
    }

    private static void WriteTiles(Markup page, StatusReport report)
    {
        var (streams, calls) = (report.Streams, report.Calls);
        using (page.In("div", ("class", "tiles now")))
        {
            Tile.Write(page, "Live streams",
                "Calls of Generate now: in the queue, waiting for their first token, streaming, or with output that their client does not read.",
                (Figures.Count(streams.Streaming), "streaming", false), (Figures.Count(streams.WaitingForFirstToken), "waiting", false),
                (Figures.Count(streams.Queued), "queued", false), (Figures.Count(streams.Stalled), "stalled", false));
            Tile.Write(page, "Throughput", "Output tokens sent, and calls that came, a second over the last ten seconds.",
                (Figures.Rate(report.TokensPerSecond), "tokens/s", false), (Figures.Rate(report.CallsPerSecond), "calls/s", false));
            Tile.Write(page, "Failed calls",
                "Calls that failed in the last ten minutes, by whose fault: the client's (a wrong request, a cancel, its own deadline or quota), this service's, or an upstream's.",
                (Figures.Count(calls.FailedByClient), "client", false),
                (Figures.Count(calls.FailedByService), "service", calls.FailedByService > 0),
                (Figures.Count(calls.FailedByUpstream), "upstream", calls.FailedByUpstream > 0),
                (Figures.Count(calls.Ended), "calls ended", false));
            WriteLatency(page, "TTFT", "From the acceptance of a call to its first token, handed to the transport; over the last five minutes.", report.Ttft);
            WriteLatency(page, "TPOT", "Time per output token after the first, of calls that succeeded; over the last five minutes.", report.Tpot);
        }
    }

    private static void WriteLatency(Markup page, string label, string definition, LatencyFigures? times)
    {
        if (times is null) Tile.Write(page, label, definition, (None, "none in the last five minutes", false));
        else
        {
            Tile.Write(page, label, definition, (Figures.Time(times.P50Ms), "p50", false), (Figures.Time(times.P90Ms), "p90", false),
                (Figures.Time(times.P99Ms), "p99", false), (Figures.Count(times.Count), "calls", false));
        }
    }

    private static void WriteFailures(Markup page, StatusReport report) => Section(page, "failures", "Recent failures", () =>
        WriteTable(page, StatusTables.Failures(report), "Failures of the last ten minutes by reason", "reasons", report.Calls.Ended == 0
            ? "No call ended in the last ten minutes."
            : $"None: all of the {Figures.Plural(report.Calls.Ended, "call")} of the last ten minutes succeeded."));

    private static void WritePlaces(Markup page, AdmissionStatus admission) => Section(page, "places", "Places", () =>
    {
        using (page.In("div", ("class", "meters")))
        {
            Meter.Write(page, $"{Figures.Count(admission.Running)} of {Figures.Count(admission.MaxConcurrent)} places taken", Share(admission.Running, admission.MaxConcurrent));
            if (admission.MaxQueue > 0)
                Meter.Write(page, $"{Figures.Count(admission.Waiting)} of {Figures.Count(admission.MaxQueue)} in the queue", Share(admission.Waiting, admission.MaxQueue));
        }
    });

    private static double Share(int part, int whole) => Math.Min(1, (double)part / whole);

    private static void WriteTable(Markup page, PlotTable table, string name, string style, string empty)
    {
        using (page.In("div", ("class", "card")))
        {
            if (table.Rows.Count > 0) Tables.Write(page, table, name, style);
            else page.Element("p", empty, ("class", "note"));
        }
    }

    private static void Section(Markup page, string id, string title, Action content)
    {
        using (page.In("section", ("aria-labelledby", id)))
        {
            page.Element("h2", title, ("id", id));
            content();
        }
    }
}
