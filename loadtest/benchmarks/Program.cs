namespace GrpcLlm.Benchmarks;

/// <summary>
/// <c>results [--quick]</c> runs what RESULTS.md tells and writes it; names run those benchmarks alone. Everything runs on
/// loopback and is bounded in count; what is started here is stopped here.
/// </summary>
internal static class Program
{
    /// <summary>First argument of the process that is the yardstick; not for users.</summary>
    public const string BareServerCommand = "bare-server";

    private const string ResultsCommand = "results";
    private const string QuickOption = "--quick";

    private static readonly Benchmark[] Benchmarks =
    [
        new("relay", RelayBenchmark.RunAsync, InResults: true),
        new("simulator", SimulatorBenchmark.RunAsync, InResults: true),
        new("cancel", CancelBenchmark.RunAsync, InResults: true),
        new("memory", MemoryBenchmark.RunAsync, InResults: true),
        new("coldstart", ColdStartBenchmark.RunAsync, InResults: true),
        new("allocations", AllocationBenchmark.RunAsync, InResults: true),
        new("estimates", EstimateBenchmark.RunAsync, InResults: true),
        new("embedded", EmbeddedBenchmark.RunAsync, InResults: true),
        new("fairness", FairnessBenchmark.RunAsync, InResults: true),
        new("calls", static _ => CallBenchmark.RunAsync(), InResults: false),
        new("client", static _ => ClientBenchmark.RunAsync(), InResults: false),
        new("pacing", static _ => PacingBenchmark.RunAsync(), InResults: false),
        new("telemetry", static _ => TelemetryBenchmark.RunAsync(), InResults: false),
        new("structured", static _ => StructuredBenchmark.RunAsync(), InResults: false),
    ];

    public static async Task<int> Main(string[] args)
    {
        if (args is [BareServerCommand, ..])
        {
            await BareServer.RunAsync(args[1..]);
            return 0;
        }

        var quick = args.Contains(QuickOption, StringComparer.Ordinal);
        string[] names = [.. args.Where(static arg => arg != QuickOption)];
        if (names is [ResultsCommand]) return await WriteResultsAsync(quick);

        var unknown = names.Except(Benchmarks.Select(static benchmark => benchmark.Name), StringComparer.Ordinal).ToList();
        if (unknown.Count > 0 || names.Length == 0)
        {
            await Console.Error.WriteLineAsync($"""
                {(unknown.Count > 0 ? $"There is no benchmark '{unknown[0]}'." : "Name what to run.")}
                  {ResultsCommand} [{QuickOption}]   all that loadtest/RESULTS.md tells, and writes it
                  NAME… [{QuickOption}]    {string.Join(", ", Benchmarks.Select(static benchmark => benchmark.Name))}
                """);
            return 2;
        }

        var report = new Report(quick);
        foreach (var benchmark in Benchmarks)
        {
            if (names.Contains(benchmark.Name, StringComparer.Ordinal)) await benchmark.RunAsync(report);
        }

        return 0;
    }

    private static async Task<int> WriteResultsAsync(bool quick)
    {
        var start = TimeProvider.System.GetTimestamp();
        var facts = MachineFacts.Describe();
        var report = new Report(quick);
        var failed = 0;
        foreach (var benchmark in Benchmarks.Where(static benchmark => benchmark.InResults))
        {
            try
            {
                await benchmark.RunAsync(report);
            }
            catch (Exception exception)
            {
                // The others are still worth having; the file says what is missing, and so does the exit code.
                failed++;
                report.Note($"**`{benchmark.Name}` failed: {exception.GetType().Name}: {exception.Message}**");
                await Console.Error.WriteLineAsync(exception.ToString());
            }
        }

        var path = await ResultsFile.WriteAsync(report, facts, TimeProvider.System.GetElapsedTime(start));
        Console.WriteLine($"written: {Path.GetRelativePath(Repository.Root, path)}");
        return failed == 0 ? 0 : 1;
    }

    private sealed record Benchmark(string Name, Func<Report, Task> RunAsync, bool InResults);
}
