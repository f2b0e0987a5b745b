using GrpcLlm.Cli.Bench.Reports;
using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Cli.Output;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Terminal;

/// <summary>The results of a run as text: what was measured, by this program and by the server, and whether it is enough.</summary>
internal static class RunSummary
{
    private static readonly string[] Titles = ["", "p50", "p90", "p95", "p99", "p99.9", "max", "mean"];

    /// <summary>Metrics as the server tells them, with the heading between them and the client's own.</summary>
    private static readonly string[] ServerSide =
    [
        MetricNames.ServerTtft, MetricNames.NetworkTtft, MetricNames.ServerTpot, MetricNames.ServerQueue,
        MetricNames.ServerOverhead, MetricNames.ServerTotal, MetricNames.ClientStall,
    ];

    /// <summary>Writes it.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="run">The run.</param>
    /// <param name="withDefinitions">Whether to say what each metric means.</param>
    public static async Task WriteAsync(TextWriter output, BenchRun run, bool withDefinitions)
    {
        var model = run.Load.Model.Length > 0 ? $", model {run.Load.Model}" : "";
        await LineAsync(output, "load", $"{LoadText.Line(run.Load)}{model}, {run.Load.Target}");
        await LineAsync(output, "streams", StreamsText(run));
        if (run.EndDetail.Length > 0) await LineAsync(output, "end", run.EndDetail);
        await output.WriteLineAsync();
        if (run.Metrics.Count > 0)
        {
            await TextTable.WriteAsync(output, Rows(run), numbersFrom: 1);
            await output.WriteLineAsync();
        }

        await LineAsync(output, "rates", RatesText(run.Throughput));
        foreach (var slo in run.Slos)
            await LineAsync(output, "slo", $"{slo.Metric} ≤ {Figures.Time(slo.Limit)}: met by {Figures.Share(slo.Share)} of streams");
        if (run.Goodput is { } goodput)
            await LineAsync(output, "goodput", $"{Figures.Rate(goodput.RequestsPerSecond)} streams/s, {Figures.Share(goodput.Share)}");
        if (run.FinishReasons.Count > 0)
            await LineAsync(output, "finish", string.Join(", ", run.FinishReasons.OrderByDescending(pair => pair.Value).Select(pair => $"{Figures.Count(pair.Value)} {pair.Key}")));
        foreach (var error in run.Errors) await LineAsync(output, "error", ErrorText(error));
        foreach (var reason in RunVerdict.Of(run).Reasons) await LineAsync(output, "verdict", reason);
        foreach (var caveat in run.Caveats) await LineAsync(output, "note", caveat);
        if (withDefinitions) await WriteDefinitionsAsync(output, run);
    }

    private static string StreamsText(BenchRun run)
    {
        var streams = run.Streams;
        var parts = new List<string> { $"{Figures.Count(streams.Succeeded)} succeeded", $"{Figures.Count(streams.Failed)} failed" };
        if (streams.Unfinished > 0) parts.Add($"{Figures.Count(streams.Unfinished)} unfinished");
        if (streams.Warmup > 0) parts.Add($"{Figures.Count(streams.Warmup)} left out as warm-up");
        return $"{string.Join(", ", parts)}; measured for {Figures.Seconds(run.MeasuredSeconds)}";
    }

    private static List<string[]> Rows(BenchRun run)
    {
        List<string[]> rows = [Titles];
        foreach (var (name, label, _) in MetricNames.All)
        {
            if (!run.Metrics.TryGetValue(name, out var metric)) continue;
            rows.Add([
                ServerSide.Contains(name, StringComparer.Ordinal) ? $"  {label}" : label,
                .. new[] { metric.P50, metric.P90, metric.P95, metric.P99, metric.P999, metric.Max, metric.Mean }.Select(Figures.Time),
            ]);
        }

        return rows;
    }

    private static string RatesText(Throughput rates) =>
        $"{Figures.Rate(rates.OutputTokensPerSecond)} tokens/s, {Figures.Rate(rates.ChunksPerSecond)} chunks/s, {Figures.Rate(rates.RequestsPerSecond)} streams/s";

    private static string ErrorText(ErrorCount error)
    {
        var status = error.Status == error.Reason ? "" : $" ({error.Status})";
        var after = error.AfterFirstToken > 0 ? $", {Figures.Count(error.AfterFirstToken)} after the first token" : "";
        return $"{Figures.Count(error.Count)} {error.Reason}{status}{after}: {error.Example}";
    }

    private static async Task WriteDefinitionsAsync(TextWriter output, BenchRun run)
    {
        await output.WriteLineAsync();
        foreach (var (_, label, definition) in MetricNames.All.Where(metric => run.Metrics.ContainsKey(metric.Name)))
            await LineAsync(output, label, definition, width: 16);
        await LineAsync(output, "Percentiles", "By nearest rank over all streams (ITL: all gaps), exact or too large by less than 0.1 %.", width: 16);
    }

    private static Task LineAsync(TextWriter output, string label, string text, int width = 8) =>
        output.WriteLineAsync($"{label.PadRight(width)} {TerminalText.Line(text)}");
}
