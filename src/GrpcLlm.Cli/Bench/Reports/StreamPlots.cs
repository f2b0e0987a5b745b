using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Reports;

/// <summary>Streams as rows: when each was planned, sent, answered and at its end.</summary>
internal static class StreamPlots
{
    /// <summary>Most rows that can still be told apart.</summary>
    private const int MostRows = 60;

    private static readonly LegendEntry[] Legend =
    [
        new(SpanKinds.Delay, "schedule delay", LegendShape.Span),
        new(SpanKinds.Queue, "queue of the server", LegendShape.Span),
        new(SpanKinds.Wait, "wait for the first token", LegendShape.Span),
        new(SpanKinds.Active, "tokens", LegendShape.Span),
        new("", "failed", LegendShape.Cross),
    ];

    /// <summary>Streams where they were in the run.</summary>
    public static Plot InRun(BenchRun run)
    {
        var shown = Sampling.Even(run.StreamSamples, MostRows);
        return Of(run, shown, "streams", "Streams over the run", _ => 0, "time since the start", lowest: 7);
    }

    /// <summary>The same streams, each from its planned send, the longest below.</summary>
    public static Plot FromTheirStart(BenchRun run)
    {
        var shown = Sampling.Even(run.StreamSamples, MostRows).OrderBy(stream => stream.Ended - stream.Planned).ToList();
        const string Title = "The same streams from their planned send";
        return Of(run, shown, "streams-start", Title, stream => stream.Planned, "time since the planned send", lowest: 10);
    }

    private static Plot Of(
        BenchRun run, IReadOnlyList<StreamSample> shown, string id, string title, Func<StreamSample, double> zero, string axis, int lowest)
    {
        var row = shown.Count switch { <= 12 => 22, <= 30 => 16, _ => lowest };
        var measured = run.Streams.Succeeded + run.Streams.Failed;
        return new Plot
        {
            Id = id,
            Title = title,
            Note = shown.Count < measured
                ? $"{Figures.Count(shown.Count)} of {Figures.Count(measured)} measured streams, drawn evenly: "
                    + "a failure that is rare may not be among them"
                : $"all {Figures.Count(measured)} measured streams",
            Description = "A row a stream, with its schedule delay, its time in the server's queue, its wait for the first token and its "
                + $"tokens. {Figures.Count(shown.Count(stream => !stream.Succeeded))} of these failed.",
            X = Axis.Exactly(shown.Max(stream => stream.Ended - zero(stream)), AxisUnit.Time, axis),
            Y = Axis.Rows([.. shown.Select(stream => $"#{stream.Number}")], row >= 16 ? 1 : 28 / lowest),
            Height = row * shown.Count,
            Layers = [new SpanLayer([.. shown.Select(stream => RowOf(stream, zero(stream)))])],
            Legend = Legend,
            Table = new PlotTable(
                ["Stream", "Planned", "Schedule delay", "Server queue", "First token", "Tokens", "Ended", "Outcome"],
                [.. shown.Select(Cells)],
                "First token and end count from the planned send."),
            Wide = true,
        };
    }

    private static SpanRow RowOf(StreamSample stream, double zero)
    {
        var spans = new List<Span>();
        void Add(string kind, double from, double to)
        {
            if (to > from) spans.Add(new Span(kind, from - zero, to - zero));
        }

        var answered = stream.FirstToken ?? stream.Ended;
        var admitted = Math.Min(stream.Sent + (stream.ServerQueue ?? 0), answered);
        Add(SpanKinds.Delay, stream.Planned, stream.Sent);
        Add(SpanKinds.Queue, stream.Sent, admitted);
        Add(SpanKinds.Wait, admitted, answered);
        Add(SpanKinds.Active, answered, stream.LastToken ?? answered);
        return new SpanRow(spans, stream.Succeeded ? null : stream.Ended - zero, string.Join(", ", Facts(stream)));
    }

    private static IEnumerable<string> Facts(StreamSample stream)
    {
        yield return $"#{stream.Number} at {Figures.Time(stream.Planned)}: {stream.Outcome}";
        if (stream.Sent > stream.Planned) yield return $"sent {Figures.Time(stream.Sent - stream.Planned)} late";
        if (stream.ServerQueue is > 0 and var queue) yield return $"queue {Figures.Time(queue)}";
        if (stream.FirstToken is { } first) yield return $"first token after {Figures.Time(first - stream.Planned)}";
        yield return Figures.Plural(stream.OutputTokens, "token");
        yield return $"end after {Figures.Time(stream.Ended - stream.Planned)}";
    }

    private static IReadOnlyList<string> Cells(StreamSample stream) =>
    [
        $"#{stream.Number}",
        Figures.Time(stream.Planned),
        Figures.Time(stream.Sent - stream.Planned),
        stream.ServerQueue is { } queue ? Figures.Time(queue) : "",
        stream.FirstToken is { } first ? Figures.Time(first - stream.Planned) : "",
        Figures.Count(stream.OutputTokens),
        Figures.Time(stream.Ended - stream.Planned),
        stream.Outcome,
    ];
}
