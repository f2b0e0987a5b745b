using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Comparing;

/// <summary>Plots of two sides.</summary>
internal static class ComparisonPlots
{
    /// <summary>
    /// The ratio of each metric with its interval; null: no metric has one. Shares differ by points and stand in the table.
    /// </summary>
    public static Plot? Effects(Comparison comparison)
    {
        var shown = comparison.Metrics.Where(metric => metric is { Metric.Kind: not MetricKind.Share, Interval: not null, Ratio: > 0 }).ToList();
        if (shown.Count == 0) return null;
        var furthest = shown.Max(metric => new[] { metric.Interval!.Value.Low, metric.Interval.Value.High }.Max(Distance));
        return new Plot
        {
            Id = "effects",
            Title = "Change by metric, with its 95 % interval",
            Note = "candidate / base, medians over runs, log scale; a filled dot is a verdict",
            Description = string.Join(" ", shown.Select(metric => $"{metric.Metric.Label}: {Describe(metric)}.")),
            X = Axis.Ratios(furthest),
            Y = Axis.Rows([.. shown.Select(metric => metric.Metric.Label)], every: 1),
            Height = 32 * shown.Count,
            Layers =
            [
                new LimitLayer(1, "", Upright: true),
                new IntervalLayer([.. shown.Select(metric => new IntervalRow(
                    StyleOf(metric.Verdict), metric.Interval!.Value.Low, metric.Ratio!.Value, metric.Interval.Value.High,
                    metric.Verdict is ComparisonVerdict.Better or ComparisonVerdict.Worse ? ComparisonText.Words(metric.Verdict) : "", Describe(metric)))]),
            ],
            Table = new PlotTable(ComparisonText.Head, ComparisonText.Rows(comparison with { Metrics = shown })),
            HasNamedRows = true,
            Wide = true,
        };
    }

    /// <summary>Output tokens a second over the newest run of each side.</summary>
    public static Plot Tokens(BenchRun baseline, BenchRun candidate)
    {
        static double Rate(BenchRun run, TimelinePoint point) => point.OutputTokens / run.TimelineStepSeconds;
        static IReadOnlyList<PlotPoint> Points(BenchRun run) =>
            [.. run.Timeline.Select(point => new PlotPoint((point.AtSeconds + (run.TimelineStepSeconds / 2)) * 1000, Rate(run, point)))];
        static string Highest(BenchRun run) => $"{Figures.Rate(run.Timeline.Select(point => Rate(run, point)).DefaultIfEmpty().Max())} tokens/s";

        var length = new[] { baseline, candidate }.Max(run => run.Timeline.Count == 0 ? 1 : run.Timeline[^1].AtSeconds + run.TimelineStepSeconds);
        var rows = Sampling.Even(baseline.Timeline.Concat(candidate.Timeline).Select(point => point.AtSeconds).Distinct().Order().ToList(), 240);
        string Cell(BenchRun run, double at) =>
            run.Timeline.FirstOrDefault(point => point.AtSeconds == at) is { } point ? Figures.Rate(Rate(run, point)) : "";
        return new Plot
        {
            Id = "tokens",
            Title = "Output tokens per second",
            Note = "the newest run of each, warm-up included",
            Description = $"Base at most {Highest(baseline)}, candidate at most {Highest(candidate)}.",
            X = Axis.Exactly(length * 1000, AxisUnit.Time, "time since the start"),
            Y = Axis.FromZero(Points(baseline).Concat(Points(candidate)).Select(point => point.Y).DefaultIfEmpty().Max(), AxisUnit.Number),
            Layers = [new LineLayer("s1", Points(baseline)), new LineLayer("s2 dashed", Points(candidate))],
            Legend = [new LegendEntry("s1", "base", LegendShape.Line), new LegendEntry("s2 dashed", "candidate", LegendShape.Line)],
            Table = new PlotTable(
                ["From", "Base", "Candidate"],
                [.. rows.Select(at => (IReadOnlyList<string>)[Figures.Seconds(at), Cell(baseline, at), Cell(candidate, at)])]),
        };
    }

    private static double Distance(double ratio) => ratio <= 0 ? 100 : Math.Max(ratio, 1 / ratio);

    private static string Describe(MetricComparison metric) =>
        $"{Figures.Change(metric.Ratio!.Value)}, 95 % interval {Figures.Change(metric.Interval!.Value.Low)} "
        + $"to {Figures.Change(metric.Interval.Value.High)}, {ComparisonText.Words(metric.Verdict)}";

    private static string StyleOf(ComparisonVerdict verdict) => verdict switch
    {
        ComparisonVerdict.Better => "better",
        ComparisonVerdict.Worse => "worse",
        _ => "same",
    };
}
