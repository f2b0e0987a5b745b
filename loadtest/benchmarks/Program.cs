namespace GrpcLlm.Benchmarks;

/// <summary>
/// <c>results [--quick]</c> runs what RESULTS.md tells and writes it; names run those benchmarks alone. Everything runs on
/// loopback and is bounded in count; what is started here is stopped here.
/// </summary>
internal static class Program
{
    /// <summary>First argument of the process that is the yardstick; not for users.</summary>
    public const string BareServerCommand = "bare-server";

    private static readonly Benchmark[] Benchmarks =
    [
        new("relay", RelayBenchmark.RunAsync),
        new("cancel", static _ => CancelBenchmark.RunAsync()),
        new("fairness", static _ => FairnessBenchmark.RunAsync()),
        new("client", static _ => ClientBenchmark.RunAsync()),
        new("pacing", static _ => PacingBenchmark.RunAsync()),
        new("telemetry", static _ => TelemetryBenchmark.RunAsync()),
        new("embedded", static _ => EmbeddedBenchmark.RunAsync()),
        new("structured", static _ => StructuredBenchmark.RunAsync()),
    ];

    public static async Task<int> Main(string[] args)
    {
        if (args is [BareServerCommand, ..])
        {
            await BareServer.RunAsync(args[1..]);
            return 0;
        }

        var quick = args.Contains("--quick", StringComparer.Ordinal);
        string[] names = [.. args.Where(static arg => arg != "--quick")];
        var unknown = names.Except(Benchmarks.Select(static benchmark => benchmark.Name), StringComparer.Ordinal).ToList();
        if (unknown.Count > 0)
        {
            await Console.Error.WriteLineAsync(
                $"There is no benchmark '{unknown[0]}'; there are {string.Join(", ", Benchmarks.Select(static benchmark => benchmark.Name))}.");
            return 2;
        }

        foreach (var benchmark in Benchmarks)
        {
            if (names.Length == 0 || names.Contains(benchmark.Name, StringComparer.Ordinal))
                await benchmark.RunAsync(new Report(quick));
        }

        return 0;
    }

    private sealed record Benchmark(string Name, Func<Report, Task> RunAsync);
}
