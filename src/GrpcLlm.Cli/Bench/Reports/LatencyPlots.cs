using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Reports;

/// <summary>A distribution in a plot.</summary>
/// <param name="Style">Series.</param>
/// <param name="Label">Its name where there are several; empty where it is alone.</param>
/// <param name="Values">What it holds.</param>
internal sealed record LatencySeries(string Style, string Label, Distribution Values);

/// <summary>Plots of distributions of times.</summary>
internal static class LatencyPlots
{
    /// <summary>
    /// The percentile curve of one distribution, or of several on the same axes, with the objective on that metric in
    /// milliseconds if there is one.
    /// </summary>
    public static Plot Curve(string id, string metric, IReadOnlyList<LatencySeries> series, double? limit)
    {
        var max = series.Max(one => one.Values.Max);
        var layers = new List<Layer>();
        if (IsInReach(limit, max)) layers.Add(new LimitLayer(limit!.Value, SloText(limit.Value)));
        foreach (var one in series) layers.Add(new LineLayer(one.Style, Points(one.Values)));
        if (series is [var alone])
        {
            var (p50, p99) = (alone.Values.P50, alone.Values.P99);
            if (alone.Values.Count >= 50) layers.Add(new DotLayer(alone.Style, new PlotPoint(0.99, p99), Figures.Time(p99)));
            layers.Add(new DotLayer(alone.Style, new PlotPoint(0.5, p50), Figures.Time(p50), Below: true));
        }

        return new Plot
        {
            Id = id,
            Title = $"{metric} by percentile",
            Note = NoteOf(string.Join("; ", series.Select(CountOf)), limit, max),
            Description = string.Join(" ", series.Select(one => Describe(metric, one))),
            X = Axis.Percentiles(series.Max(one => one.Values.Count)),
            Y = Axis.FromZero(Math.Max(max, IsInReach(limit, max) ? limit!.Value : 0), AxisUnit.Time),
            Layers = layers,
            Legend = series.Count > 1 ? [.. series.Select(one => new LegendEntry(one.Style, one.Label, LegendShape.Line))] : [],
            Table = new PlotTable(
                ["Percentile", .. series.Select(one => one.Label.Length > 0 ? one.Label : metric)],
                [.. Rows().Select(row => (IReadOnlyList<string>)[row.Name, .. series.Select(one => Figures.Time(row.Of(one.Values)))])]),
        };
    }

    /// <summary>
    /// How many values fell where, with the objective as in <see cref="Curve"/>. The few that are far out are told rather
    /// than drawn.
    /// </summary>
    public static Plot Histogram(string id, string metric, Distribution values, double? limit)
    {
        var x = Axis.FromZero(values.Max > 3 * values.P99 ? values.P99 * 1.5 : values.Max, AxisUnit.Time, steps: 5);
        var bins = new HistogramBins(values, x.End).Filled;
        var beyond = values.Count - bins.Sum(bin => bin.Count);
        var layers = new List<Layer> { new BarLayer([.. bins.Select(bin => new Bar("s1", bin.From, bin.To, 0, bin.Count))]) };
        if (limit is { } slo && slo < x.End) layers.Add(new LimitLayer(slo, SloText(slo), Upright: true));
        layers.Add(new HoverLayer([.. bins.Select(bin => (bin.From, bin.To, $"{Range(bin.From, bin.To)}: {Figures.Count(bin.Count)}"))]));
        return new Plot
        {
            Id = id,
            Title = $"{metric} histogram",
            Note = Figures.Plural(values.Count, "value")
                + (beyond > 0 ? $"; {Figures.Count(beyond)} beyond this axis, up to {Figures.Time(values.Max)}" : ""),
            Description = $"How many of {Figures.Count(values.Count)} values of {metric} fell into each of {bins.Count} intervals. "
                + $"Half are within {Figures.Time(values.P50)}.",
            X = x,
            Y = Axis.FromZero(bins.Max(bin => bin.Count), AxisUnit.Number),
            Layers = layers,
            Table = new PlotTable(
                ["Interval", "Values"],
                [.. bins.Select(bin => (IReadOnlyList<string>)[Range(bin.From, bin.To), Figures.Count(bin.Count)])]),
        };
    }

    /// <summary>An objective in a plot.</summary>
    public static string SloText(double limit) => $"SLO {Figures.Given(Figures.Time(limit))}";

    /// <summary>The percentiles that tables show.</summary>
    public static IReadOnlyList<(string Name, Func<Distribution, double> Of)> Rows() =>
    [
        ("min", values => values.Min),
        ("p50", values => values.P50),
        ("p90", values => values.P90),
        ("p95", values => values.P95),
        ("p99", values => values.P99),
        ("p99.9", values => values.P999),
        ("max", values => values.Max),
    ];

    private static string Range(double from, double to) => $"{Figures.Time(from)} to {Figures.Time(to)}";

    private static bool IsInReach(double? limit, double max) => limit is { } value && value <= 3 * max;

    private static string CountOf(LatencySeries series) =>
        $"{(series.Label.Length > 0 ? series.Label + ": " : "")}{Figures.Plural(series.Values.Count, "value")}";

    private static string NoteOf(string counts, double? limit, double max) =>
        limit is { } value && !IsInReach(limit, max) ? $"{counts}; the {SloText(value)} is far above" : counts;

    private static string Describe(string metric, LatencySeries series)
    {
        var values = series.Values;
        return $"{metric}{(series.Label.Length > 0 ? $" of {series.Label}" : "")}: half within {Figures.Time(values.P50)}, "
            + $"90 % within {Figures.Time(values.P90)}, 99 % within {Figures.Time(values.P99)}, all within {Figures.Time(values.Max)}.";
    }

    /// <summary>
    /// A value stands for the share that does not exceed it; the largest one for the middle of the last value's share, as
    /// 1 is out of reach on this axis.
    /// </summary>
    private static List<PlotPoint> Points(Distribution values)
    {
        var points = new List<PlotPoint> { new(0, values.Min) };
        long seen = 0;
        foreach (var (le, count) in values.Buckets)
        {
            seen += count;
            var share = seen < values.Count ? (double)seen / values.Count : 1 - (0.5 / values.Count);
            points.Add(new PlotPoint(share, Math.Min(le, values.Max)));
        }

        return points;
    }
}
