using GrpcLlm.Pages;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Ops;

/// <summary>The plots of the status page, over its last ten minutes.</summary>
internal sealed class StatusPlots
{
    private const string Step = "5 s";
    private const string OtherReasons = "other";

    private static readonly TimeSpan Window = StatusHistory.Step * StatusHistory.Steps;

    private readonly IReadOnlyList<StepStatus> _steps;
    private readonly Axis _x = Axis.UntilNow(Window, TimeSpan.FromMinutes(2));

    private StatusPlots(StatusReport report) => _steps = report.Timeline;

    /// <summary>Writes them all, or in place of each what there is to say.</summary>
    public static void Write(Markup page, StatusReport report)
    {
        var plots = new StatusPlots(report);
        using (page.In("div", ("class", "plots")))
        {
            plots.WriteLatency(page, "ttft", "Time to first token", static step => step.Ttft, "No first token was sent in the last ten minutes.");
            plots.WriteLatency(page, "tpot", "Time per output token", static step => step.Tpot, "No call with two output tokens succeeded in the last ten minutes.");
            plots.WriteTokens(page);
            plots.WriteFailures(page);
        }
    }

    private void WriteLatency(Markup page, string id, string title, Func<StepStatus, LatencyFigures?> of, string empty)
    {
        var known = _steps.Select(of).OfType<LatencyFigures>().ToList();
        if (known.Count == 0)
        {
            PlotFigure.WriteEmpty(page, id, title, empty);
            return;
        }

        var highest = known.Max(static times => times.P99Ms);
        PlotFigure.Write(page, new Plot
        {
            Id = id,
            Title = title,
            Note = $"p50 in a band to p90 and p99, each {Step}",
            Description = $"The median is between {Figures.Time(known.Min(static times => times.P50Ms))} and {Figures.Time(known.Max(static times => times.P50Ms))}; "
                + $"the 99th percentile reaches {Figures.Time(highest)}.",
            X = _x,
            Y = Axis.FromZero(highest, AxisUnit.Time),
            Layers =
            [
                Band("s1 faint", static times => times.P90Ms, static times => times.P99Ms),
                Band("s1", static times => times.P50Ms, static times => times.P90Ms),
                Line("s1 thin dotted", static times => times.P99Ms, "p99"),
                Line("s1 thin dashed", static times => times.P90Ms, "p90"),
                Line("s1", static times => times.P50Ms, "p50"),
                Hover(step => of(step) is { } times ? StatusWords.Percentiles(times) : null),
            ],
            Table = Table(["p50", "p90", "p99", "Calls"], step => of(step) is { } times
                ? [Figures.Time(times.P50Ms), Figures.Time(times.P90Ms), Figures.Time(times.P99Ms), Figures.Count(times.Count)] : null),
        });

        BandLayer Band(string style, Func<LatencyFigures, double> low, Func<LatencyFigures, double> high) => new(style,
            [.. _steps.Select((step, index) => of(step) is { } times
                ? new BandPoint(Middle(index), low(times), high(times)) : new BandPoint(Middle(index), double.NaN, double.NaN))]);
        LineLayer Line(string style, Func<LatencyFigures, double> value, string label) => new(style,
            [.. _steps.Select((step, index) => new PlotPoint(Middle(index), of(step) is { } times ? value(times) : double.NaN))], label);
    }

    private void WriteTokens(Markup page)
    {
        // The last step is still going on, so its tokens are of less than its length.
        var complete = _steps.Take(_steps.Count - 1).Select(static step => step.Tokens / StatusHistory.Step.TotalSeconds).ToList();
        if (complete.Count == 0 || complete.Max() is var highest && highest == 0)
        {
            PlotFigure.WriteEmpty(page, "tokens", "Output tokens per second", "No tokens were sent in the last ten minutes.");
            return;
        }

        PlotFigure.Write(page, new Plot
        {
            Id = "tokens",
            Title = "Output tokens per second",
            Note = $"mean of each {Step}",
            Description = $"At most {Figures.Rate(highest)} tokens/s.",
            X = _x,
            Y = Axis.FromZero(highest, AxisUnit.Number),
            Layers =
            [
                new BandLayer("s1 faint", [.. complete.Select((rate, index) => new BandPoint(Middle(index), 0, rate))]),
                new LineLayer("s1", [.. complete.Select((rate, index) => new PlotPoint(Middle(index), rate))]),
                Hover(step => ReferenceEquals(step, _steps[^1]) ? null : RateText(step)),
            ],
            Table = Table(["Tokens/s", "Calls ended"], step => step.Tokens == 0 && step.Ended == 0 || ReferenceEquals(step, _steps[^1])
                ? null : [RateText(step), Figures.Count(step.Ended)]),
        });

        static string RateText(StepStatus step) => $"{Figures.Rate(step.Tokens / StatusHistory.Step.TotalSeconds)} tokens/s";
    }

    private void WriteFailures(Markup page)
    {
        var totals = _steps.SelectMany(static step => step.Failed).GroupBy(static pair => pair.Key, static pair => pair.Value, StringComparer.Ordinal)
            .Select(static group => (Reason: group.Key, Count: group.Sum()))
            .OrderByDescending(static total => total.Count).ThenBy(static total => total.Reason, StringComparer.Ordinal).ToList();
        if (totals.Count == 0)
        {
            PlotFigure.WriteEmpty(page, "failed", "Failed calls by reason", "No call failed in the last ten minutes.");
            return;
        }

        // What has no series of its own is summed.
        var named = totals.Count <= PlotPatterns.Count ? totals.Count : PlotPatterns.Count - 1;
        List<string> reasons = [.. totals.Take(named).Select(static total => total.Reason)];
        if (named < totals.Count) reasons.Add(OtherReasons);
        PlotFigure.Write(page, new Plot
        {
            Id = "failed",
            Title = "Failed calls by reason",
            Note = $"each {Step}",
            Description = string.Join(", ", totals.Select(static total => $"{total.Reason} {Figures.Count(total.Count)}")) + ".",
            X = _x,
            Y = Axis.FromZero(_steps.Max(static step => step.Failed.Values.Sum()), AxisUnit.Number),
            Layers = [new BarLayer([.. _steps.SelectMany(Bars)]), Hover(static step => step.Failed.Count == 0 ? null : TextOf(step))],
            Legend = [.. reasons.Select(static (reason, index) => new LegendEntry($"s{index + 1}", reason, LegendShape.Area))],
            Table = Table(reasons, step => step.Failed.Count == 0 ? null : [.. reasons.Select(reason => Figures.Count(Count(step, reason)))]),
        });

        long Count(StepStatus step, string reason) => reason == OtherReasons
            ? step.Failed.Where(pair => !reasons.Contains(pair.Key, StringComparer.Ordinal)).Sum(static pair => pair.Value)
            : step.Failed.GetValueOrDefault(reason);
        IEnumerable<Bar> Bars(StepStatus step, int index)
        {
            long foot = 0;
            for (var series = 0; series < reasons.Count; series++)
            {
                if (Count(step, reasons[series]) is not (> 0 and var count)) continue;
                yield return new Bar($"s{series + 1}", Start(index), Start(index + 1), foot, foot + count);
                foot += count;
            }
        }

        static string TextOf(StepStatus step) => string.Join(", ", step.Failed.Select(static pair => $"{pair.Key} {Figures.Count(pair.Value)}"));
    }

    /// <summary>Where a step begins: the last one ends now.</summary>
    private double Start(int index) => (Window - (StatusHistory.Step * (_steps.Count - index))).TotalMilliseconds;

    private double Middle(int index) => (Start(index) + Start(index + 1)) / 2;

    /// <summary>How long ago a step ended.</summary>
    private string Ago(int index) => index == _steps.Count - 1
        ? "now" : $"{StatusWords.Age(StatusHistory.Step * (_steps.Count - 1 - index))} ago";

    private HoverLayer Hover(Func<StepStatus, string?> text) => new(
        [.. _steps.Select((step, index) => (Index: index, Text: text(step))).Where(static field => field.Text is not null)
            .Select(field => (Start(field.Index), Start(field.Index + 1), $"{Ago(field.Index)}: {field.Text}"))]);

    /// <summary>The steps that have something to tell, the newest first.</summary>
    private PlotTable Table(IReadOnlyList<string> head, Func<StepStatus, IReadOnlyList<string>?> cells) => new(
        [$"{Step} that ended", .. head],
        [.. _steps.Select((step, index) => (Index: index, Cells: cells(step))).Where(static row => row.Cells is not null).Reverse()
            .Select(row => (IReadOnlyList<string>)[Ago(row.Index), .. row.Cells!])]);
}
