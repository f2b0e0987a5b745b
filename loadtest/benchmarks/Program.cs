using GrpcLlm.Benchmarks;

// Everything runs on loopback and is bounded in count; what is started here is stopped here.
(string Name, Func<Task> RunAsync)[] benchmarks =
[
    ("relay", RelayBenchmark.RunAsync),
    ("cancel", CancelBenchmark.RunAsync),
    ("fairness", FairnessBenchmark.RunAsync),
    ("client", ClientBenchmark.RunAsync),
    ("pacing", PacingBenchmark.RunAsync),
    ("telemetry", TelemetryBenchmark.RunAsync),
    ("embedded", EmbeddedBenchmark.RunAsync),
    ("structured", StructuredBenchmark.RunAsync),
];

var unknown = args.Except(benchmarks.Select(static benchmark => benchmark.Name), StringComparer.Ordinal).ToList();
if (unknown.Count > 0)
{
    await Console.Error.WriteLineAsync(
        $"There is no benchmark '{unknown[0]}'; there are {string.Join(", ", benchmarks.Select(static benchmark => benchmark.Name))}.");
    return 2;
}

foreach (var (name, runAsync) in benchmarks)
{
    if (args.Length == 0 || args.Contains(name, StringComparer.Ordinal)) await runAsync();
}

return 0;
