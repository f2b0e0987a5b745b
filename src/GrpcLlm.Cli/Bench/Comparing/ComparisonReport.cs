using GrpcLlm.Cli.Bench.Reports;
using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Comparing;

/// <summary>A comparison as a page: the verdicts, each difference with its noise, and both sides on the same axes.</summary>
internal static class ComparisonReport
{
    private static readonly string[] Curves = [MetricNames.Ttft, MetricNames.Tpot, MetricNames.E2e];

    /// <summary>Writes it.</summary>
    public static void Write(Comparison comparison, BenchFile baseline, BenchFile candidate, TextWriter output) =>
        Page.Write(output, "Comparison \u2013 grpcllm bench", page =>
        {
            WriteHeader(page, comparison);
            page.Element("h2", "Differences and their noise");
            using (page.In("div", ("class", "plots")))
            {
                if (ComparisonPlots.Effects(comparison) is { } effects) PlotFigure.Write(page, effects);
                else PlotFigure.WriteEmpty(page, "effects", "Change by metric", $"Noise can be told from {Comparer.FewestRuns} runs of each file on.");
            }

            using (page.In("div", ("class", "card settings")))
                Tables.Write(page, new PlotTable(ComparisonText.Head, ComparisonText.Rows(comparison)), "All metrics");

            var (left, right) = (Comparer.Counting(baseline), Comparer.Counting(candidate));
            page.Element("h2", "Both on the same axes");
            using (page.In("div", ("class", "plots")))
            {
                foreach (var metric in Curves)
                {
                    var series = new List<LatencySeries>();
                    if (PooledDistribution.Of(left, metric) is { } before) series.Add(new LatencySeries("s1", "base", before));
                    if (PooledDistribution.Of(right, metric) is { } after) series.Add(new LatencySeries("s2 dashed", "candidate", after));
                    var label = ReportTables.LabelOf(metric);
                    if (series.Count > 0) PlotFigure.Write(page, LatencyPlots.Curve($"{metric}-curve", label, series, limit: null));
                    else PlotFigure.WriteEmpty(page, metric, label, "No run that counts has it.");
                }

                if (left.Count > 0 && right.Count > 0) PlotFigure.Write(page, ComparisonPlots.Tokens(left[^1], right[^1]));
            }
        });

    private static void WriteHeader(Markup page, Comparison comparison)
    {
        using (page.In("header"))
        {
            page.Element("p", "grpcllm bench compare", ("class", "kicker"));
            page.Element("h1", $"{comparison.Candidate.File} against {comparison.Baseline.File}");
            WriteSide(page, "Base", comparison.Baseline);
            WriteSide(page, "Candidate", comparison.Candidate);
        }

        var judged = comparison.Metrics.Where(metric => metric.Verdict != ComparisonVerdict.None).ToList();
        var (style, sign, words) = (judged.Count, comparison.IsWorse, judged.Any(metric => metric.Verdict == ComparisonVerdict.Better)) switch
        {
            (0, _, _) => ("verdict", "\u2013", "No verdict"),
            (_, true, _) => ("verdict missed", "\u2193", $"Worse: {Names(ComparisonVerdict.Worse)}"),
            (_, _, true) => ("verdict met", "\u2191", $"Better: {Names(ComparisonVerdict.Better)}"),
            _ => ("verdict", "=", "No difference beyond noise"),
        };
        string Names(ComparisonVerdict verdict) =>
            string.Join(", ", judged.Where(metric => metric.Verdict == verdict).Select(metric => metric.Metric.Label));
        using (page.In("div", ("class", style)))
        {
            page.Element("span", sign, ("class", "sign"), ("aria-hidden", "true"));
            using (page.In("div"))
            {
                page.Element("strong", words);
                if (comparison.IsWorse && Names(ComparisonVerdict.Better) is { Length: > 0 } better) page.Element("p", $"Better: {better}.");
                foreach (var remark in ComparisonText.Remarks(comparison)) page.Element("p", remark);
            }
        }
    }

    private static void WriteSide(Markup page, string role, ComparedSide side) => page.Element(
        "p",
        $"{role}: {side.File}, {side.Target}{(side.Model.Length > 0 ? $", {side.Model}" : "")}, {Figures.Plural(side.Runs, "run")}",
        ("class", "facts"));
}
