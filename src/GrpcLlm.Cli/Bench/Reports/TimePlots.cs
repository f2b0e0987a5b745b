using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Reports;

/// <summary>Plots of a run over time, warm-up included and shaded.</summary>
internal sealed class TimePlots(BenchRun run)
{
    /// <summary>Fields for the pointer, and rows of a table: more are merged or left out.</summary>
    private const int MostFields = 240;

    private const int MostBars = 200;
    private const string OtherReasons = "other";

    private readonly double _step = run.TimelineStepSeconds;

    /// <summary>Output tokens a second.</summary>
    public Plot Tokens() => Rate("tokens", "Output tokens per second", point => point.OutputTokens / _step,
        value => $"{Figures.Rate(value)} tokens/s", $"On average of the measured part {Figures.Rate(run.Throughput.OutputTokensPerSecond)} tokens/s.");

    /// <summary>Most streams open at once.</summary>
    public Plot Open() => Rate("open", "Open streams", point => point.Open,
        value => Figures.Plural((long)value, "stream"), $"At most {Figures.Count(run.Timeline.Max(point => point.Open))} at once.");

    /// <summary>Time to first token: the median in a band to the 90th and the 99th percentile; null: there was no token.</summary>
    public Plot? Ttft()
    {
        var known = run.Timeline.Where(point => point.Ttft is not null).ToList();
        if (known.Count == 0) return null;
        var drawnSteps = WithoutShortGaps(point => point.Ttft is not null);
        BandLayer Band(string style, Func<Percentiles, double> low, Func<Percentiles, double> high) => new(style, [.. drawnSteps.Select(point =>
            point.Ttft is { } ttft ? new BandPoint(Middle(point), low(ttft), high(ttft)) : new BandPoint(Middle(point), double.NaN, double.NaN))]);
        LineLayer Line(string style, string label, Func<Percentiles, double> of) => new(style, [.. drawnSteps.Select(point =>
            new PlotPoint(Middle(point), point.Ttft is { } ttft ? of(ttft) : double.NaN))], label);
        string Text(TimelinePoint point) => point.Ttft is { } ttft
            ? $"p50 {Figures.Time(ttft.P50)}, p90 {Figures.Time(ttft.P90)}, p99 {Figures.Time(ttft.P99)}"
            : "no first token";

        var limit = LimitOf(MetricNames.Ttft);
        var highest = known.Max(point => point.Ttft!.P99);
        var drawn = limit is { } slo && slo <= 3 * highest;
        return new Plot
        {
            Id = "ttft-time",
            Title = "TTFT over time",
            Note = $"p50 in a band to p90 and p99 of the streams whose first token came in the same {Step}",
            Description = $"The median is between {Figures.Time(known.Min(point => point.Ttft!.P50))} "
                + $"and {Figures.Time(known.Max(point => point.Ttft!.P50))}; the 99th percentile reaches {Figures.Time(highest)}.",
            X = TimeAxis(),
            Y = Axis.FromZero(drawn ? Math.Max(limit!.Value, highest) : highest, AxisUnit.Time),
            Layers =
            [
                .. Shade(),
                Band("s1 faint", ttft => ttft.P90, ttft => ttft.P99),
                Band("s1", ttft => ttft.P50, ttft => ttft.P90),
                Line("s1 thin dotted", "p99", ttft => ttft.P99),
                Line("s1 thin dashed", "p90", ttft => ttft.P90),
                Line("s1", "p50", ttft => ttft.P50),
                .. drawn ? [new LimitLayer(limit!.Value, LatencyPlots.SloText(limit.Value), LabelAtEnd: true)] : Array.Empty<Layer>(),
                Hover(point => point.Ttft?.P99 ?? -1, Text),
            ],
            Table = Table(["p50", "p90", "p99"], point => point.Ttft is { } ttft
                ? [Figures.Time(ttft.P50), Figures.Time(ttft.P90), Figures.Time(ttft.P99)]
                : ["", "", ""]),
        };
    }

    /// <summary>Failed streams by reason; null: there was none.</summary>
    public Plot? Errors()
    {
        var totals = run.Timeline.SelectMany(point => point.Failed).GroupBy(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal)
            .Select(group => (Reason: group.Key, Count: group.Sum())).Where(total => total.Count > 0)
            .OrderByDescending(total => total.Count).ThenBy(total => total.Reason, StringComparer.Ordinal).ToList();
        if (totals.Count == 0) return null;
        var kept = totals.Count <= PlotPatterns.Count ? totals.Count : PlotPatterns.Count - 1;
        List<string> reasons = [.. totals.Take(kept).Select(total => total.Reason)];
        var others = totals.Count > kept ? totals.Count - kept : 0;
        if (others > 0) reasons.Add(OtherReasons);
        long Count(TimelinePoint point, int reason) => others > 0 && reason == kept
            ? point.Failed.Where(pair => !reasons.Take(kept).Contains(pair.Key, StringComparer.Ordinal)).Sum(pair => pair.Value)
            : point.Failed.GetValueOrDefault(reasons[reason]);
        long Total(TimelinePoint point) => point.Failed.Values.Sum();

        var shown = Sampling.Largest(run.Timeline, point => point.AtSeconds, point => Total(point), MostBars);
        var width = End / Math.Min(run.Timeline.Count, MostBars);
        var bars = new List<Bar>();
        foreach (var point in shown)
        {
            long foot = 0;
            for (var reason = 0; reason < reasons.Count; reason++)
            {
                var count = Count(point, reason);
                if (count > 0) bars.Add(new Bar($"s{reason + 1}", point.AtSeconds * 1000, (point.AtSeconds * 1000) + width, foot, foot + count));
                foot += count;
            }
        }

        var each = run.Timeline.Count > shown.Count ? $", the worst of each {Figures.Time(width)}" : "";
        return new Plot
        {
            Id = "errors-time",
            Title = "Errors over time, by reason",
            Note = $"failed streams in each {Step}{each}",
            Description = $"{Figures.Plural(totals.Sum(total => total.Count), "failed stream")}: {Counts(totals.Take(kept))}.",
            X = TimeAxis(),
            Y = Axis.FromZero(shown.Max(Total), AxisUnit.Number),
            Layers =
            [
                .. Shade(),
                new BarLayer(bars),
                Hover(Total, point => Total(point) == 0 ? "no errors" : Counts(point.Failed.Select(pair => (pair.Key, pair.Value)))),
            ],
            Legend = [.. reasons.Select((reason, index) => new LegendEntry(
                $"s{index + 1}", others > 0 && index == kept ? Figures.Plural(others, "other reason") : reason, LegendShape.Area))],
            Table = Table(reasons, point => [.. reasons.Select((_, index) => Figures.Count(Count(point, index)))]),
        };
    }

    private static string Counts(IEnumerable<(string Reason, long Count)> counts) =>
        string.Join(", ", counts.Select(one => $"{one.Reason} {Figures.Count(one.Count)}"));

    private string Step => Figures.Given(Figures.Seconds(_step));

    private double End => (run.Timeline[^1].AtSeconds + _step) * 1000;

    private Plot Rate(string id, string title, Func<TimelinePoint, double> of, Func<double, string> text, string description) => new()
    {
        Id = id,
        Title = title,
        Note = description,
        Description = $"{description} The highest step of {Step} has {text(run.Timeline.Max(of))}.",
        X = TimeAxis(),
        Y = Axis.FromZero(run.Timeline.Max(of), AxisUnit.Number),
        Layers =
        [
            .. Shade(),
            new BandLayer("s1 faint", [.. run.Timeline.Select(point => new BandPoint(Middle(point), 0, of(point)))]),
            new LineLayer("s1", [.. run.Timeline.Select(point => new PlotPoint(Middle(point), of(point)))]),
            Hover(of, point => text(of(point))),
        ],
        Table = Table([title], point => [text(of(point))]),
    };

    private Axis TimeAxis() => Axis.Exactly(End, AxisUnit.Time, "time since the start");

    private double Middle(TimelinePoint point) => (point.AtSeconds + (_step / 2)) * 1000;

    private double? LimitOf(string metric) => run.Slos.FirstOrDefault(slo => slo.Metric == metric)?.Limit;

    /// <summary>
    /// The steps without those that hold nothing, but for gaps longer than a fortieth of the run: where arrivals are rare,
    /// an empty step is no news; where nothing comes for long, it is.
    /// </summary>
    private List<TimelinePoint> WithoutShortGaps(Func<TimelinePoint, bool> holds)
    {
        var longest = run.Timeline.Count / 40;
        var kept = new List<TimelinePoint>();
        var gap = new List<TimelinePoint>();
        foreach (var point in run.Timeline)
        {
            if (!holds(point))
            {
                gap.Add(point);
                continue;
            }

            if (gap.Count > longest) kept.AddRange(gap);
            gap.Clear();
            kept.Add(point);
        }

        return kept;
    }

    private IEnumerable<Layer> Shade()
    {
        var warmup = run.Timeline.TakeWhile(point => point.Warmup).ToList();
        return warmup.Count == 0 ? [] : [new ShadeLayer(0, (warmup[^1].AtSeconds + _step) * 1000, "warm-up")];
    }

    private HoverLayer Hover<T>(Func<TimelinePoint, T> weight, Func<TimelinePoint, string> text)
    {
        var size = (run.Timeline.Count + MostFields - 1) / MostFields;
        return new HoverLayer([.. run.Timeline.Chunk(size).Select(chunk =>
        {
            var most = chunk.MaxBy(weight)!;
            return (chunk[0].AtSeconds * 1000, (chunk[^1].AtSeconds + _step) * 1000, $"{Figures.Seconds(most.AtSeconds)}: {text(most)}");
        })]);
    }

    private PlotTable Table(IReadOnlyList<string> head, Func<TimelinePoint, IReadOnlyList<string>> cells)
    {
        var shown = Sampling.Even(run.Timeline, MostFields);
        return new PlotTable(
            ["From", .. head],
            [.. shown.Select(point => (IReadOnlyList<string>)[From(point), .. cells(point)])],
            shown.Count < run.Timeline.Count
                ? $"{Figures.Count(shown.Count)} of {Figures.Count(run.Timeline.Count)} steps; all of them are in the raw data."
                : "");

        static string From(TimelinePoint point) => Figures.Seconds(point.AtSeconds) + (point.Warmup ? " (warm-up)" : "");
    }
}
