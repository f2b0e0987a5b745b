using GrpcLlm.Cli.Output;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Comparing;

/// <summary>A comparison in words and rows, the same on the terminal and in a page.</summary>
internal static class ComparisonText
{
    private const string None = "\u2013";

    /// <summary>What the columns hold.</summary>
    public static readonly IReadOnlyList<string> Head = ["Metric", "Base", "Candidate", "Change", "95 % interval", "Verdict"];

    /// <summary>A row of each metric.</summary>
    public static IReadOnlyList<string[]> Rows(Comparison comparison) => [.. comparison.Metrics.Select(RowOf)];

    /// <summary>A verdict in words.</summary>
    public static string Words(ComparisonVerdict verdict) => verdict switch
    {
        ComparisonVerdict.Better => "better",
        ComparisonVerdict.Worse => "worse",
        ComparisonVerdict.NoDifference => "no difference beyond noise",
        _ => "no verdict",
    };

    /// <summary>What the figures are and what stands against a verdict, in sentences.</summary>
    public static IEnumerable<string> Remarks(Comparison comparison)
    {
        yield return $"Medians over {Figures.Plural(comparison.Baseline.Runs, "run")} of the base and {Figures.Plural(comparison.Candidate.Runs, "run")} of the candidate; "
            + "intervals by bootstrap over runs; each metric is judged by itself.";
        foreach (var obstacle in comparison.Obstacles) yield return $"No verdict: {obstacle}";
        foreach (var note in comparison.Notes) yield return note;
    }

    /// <summary>Writes it for a terminal.</summary>
    public static async Task WriteAsync(TextWriter output, Comparison comparison)
    {
        await output.WriteLineAsync(TerminalText.Line($"base       {comparison.Baseline.File}"));
        await output.WriteLineAsync(TerminalText.Line($"candidate  {comparison.Candidate.File}"));
        await output.WriteLineAsync();
        await TextTable.WriteAsync(output, [[.. Head.Select(title => title.ToUpperInvariant())], .. Rows(comparison)]);
        await output.WriteLineAsync();
        foreach (var remark in Remarks(comparison)) await output.WriteLineAsync(TerminalText.Line(remark));
    }

    private static string[] RowOf(MetricComparison compared)
    {
        var metric = compared.Metric;
        string Value(double? value) => value is { } known ? metric.Text(known) : None;
        return
        [
            metric.Label,
            Value(compared.Baseline),
            Value(compared.Candidate),
            compared.Effect is { } effect ? metric.EffectText(effect) : None,
            compared.Interval is { } interval ? $"{metric.EffectText(interval.Low)} to {metric.EffectText(interval.High)}" : None,
            Words(compared.Verdict) + (compared.Why.Length > 0 ? $": {compared.Why}" : ""),
        ];
    }
}
