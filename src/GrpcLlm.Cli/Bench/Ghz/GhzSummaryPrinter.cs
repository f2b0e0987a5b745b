using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Cli.Output;

namespace GrpcLlm.Cli.Bench.Ghz;

/// <summary>Writes a summary for people, or as one JSON line.</summary>
internal static class GhzSummaryPrinter
{
    private static readonly JsonSerializerOptions Json = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
    };

    private static readonly double[] Percentages = [50, 90, 95, 99, 99.9];
    private static readonly string[] Columns = ["", "calls", "failed", "mean", "p50", "p90", "p95", "p99", "p99.9", "from"];

    /// <summary>Writes tables, definitions and notes.</summary>
    public static async Task WriteAsync(TextWriter output, GhzSummary summary)
    {
        List<string[]> rows = [Columns];
        rows.AddRange(summary.Runs.Select(run => Row(
            Measure(run), run.Report.Count.ToString(CultureInfo.InvariantCulture), run.Failed, run.Mean, run.Percentile, run.Name)));
        foreach (var run in summary.DebugRuns)
        {
            var name = Path.GetFileName(run.Path);
            var failed = run.Failures.Values.Sum();
            foreach (var (measure, times) in new[] { ("TTFT", run.Ttft), ("TPOT", run.Tpot), ("gap", run.Gaps) })
            {
                if (times is not null)
                    rows.Add(Row(measure, run.Calls.ToString(CultureInfo.InvariantCulture), failed, times.Mean, percentage => times.Percentile(percentage), name));
            }
        }

        await TextTable.WriteAsync(output, rows);
        if (summary.Tpots.Count > 0)
        {
            await output.WriteLineAsync();
            await TextTable.WriteAsync(output, [.. summary.Tpots.Select(tpot => new[]
            {
                "TPOT", Milliseconds(tpot.Milliseconds), tpot.Method, $"{tpot.Longer.Name} less {tpot.First.Name}",
            })]);
        }

        await output.WriteLineAsync();
        foreach (var (_, label, definition) in MetricNames.All.Where(metric => metric.Name is MetricNames.Ttft or MetricNames.Tpot or MetricNames.E2e))
            await output.WriteLineAsync($"{label,-5} {definition}");
        if (summary.Notes.Count > 0) await output.WriteLineAsync();
        foreach (var note in summary.Notes) await output.WriteLineAsync($"note  {TerminalText.Line(note)}");
    }

    /// <summary>Writes one JSON line; times are milliseconds.</summary>
    public static Task WriteJsonAsync(TextWriter output, GhzSummary summary) => output.WriteLineAsync(JsonSerializer.Serialize(
        new
        {
            schema = "grpcllm.ghz-report/1",
            runs = summary.Runs.Select(run => new
            {
                file = run.Path,
                name = run.Name,
                measures = Measure(run),
                cutAt = run.CutAt,
                calls = run.Report.Count,
                failed = run.Failed,
                times = Times(run.Mean, run.Percentile),
                statuses = run.Report.StatusCodeDistribution,
            }),
            logs = summary.DebugRuns.Select(run => new
            {
                file = run.Path,
                calls = run.Calls,
                failures = run.Failures,
                ttft = Times(run.Ttft),
                tpot = Times(run.Tpot),
                gaps = Times(run.Gaps),
                gapsRefused = run.Refusal,
            }),
            tpot = summary.Tpots.Select(tpot => new
            {
                mean = Math.Round(tpot.Milliseconds, 6),
                method = tpot.Method,
                first = tpot.First.Path,
                longer = tpot.Longer.Path,
            }),
            notes = summary.Notes,
        },
        Json));

    /// <summary>What a latency of a run is.</summary>
    private static string Measure(GhzRun run) => run.CutAt switch
    {
        null => "E2E",
        1 => "TTFT",
        var cut => $"T{cut}",
    };

    private static string[] Row(string measure, string calls, long failed, double? mean, Func<double, double?> percentile, string from) =>
    [
        measure, calls, failed.ToString(CultureInfo.InvariantCulture), Milliseconds(mean),
        .. Percentages.Select(percentage => Milliseconds(percentile(percentage))), from,
    ];

    private static Dictionary<string, double>? Times(Latencies? times) =>
        times is null ? null : Times(times.Mean, percentage => times.Percentile(percentage));

    private static Dictionary<string, double>? Times(double? mean, Func<double, double?> percentile)
    {
        if (mean is null) return null;
        var times = new Dictionary<string, double>(StringComparer.Ordinal) { ["mean"] = Math.Round(mean.Value, 6) };
        foreach (var percentage in Percentages)
        {
            if (percentile(percentage) is { } time) times["p" + percentage.ToString("0.#", CultureInfo.InvariantCulture).Replace(".", "", StringComparison.Ordinal)] = time;
        }

        return times;
    }

    /// <summary>Four digits that count.</summary>
    private static string Milliseconds(double? time) => time switch
    {
        null => "-",
        var ms when Math.Abs(ms.Value) >= 1000 => $"{ms:0} ms",
        var ms when Math.Abs(ms.Value) >= 100 => $"{ms:0.0} ms",
        var ms when Math.Abs(ms.Value) >= 10 => $"{ms:0.00} ms",
        var ms => $"{ms:0.000} ms",
    };
}
