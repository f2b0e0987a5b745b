using GrpcLlm.Benchmarks;

// Everything runs on loopback and is bounded in count; what is started here is stopped here.
string[] names = args.Length == 0 ? ["relay", "cancel", "fairness", "client", "embedded"] : args;
foreach (var name in names)
{
    switch (name)
    {
        case "relay":
            await RelayBenchmark.RunAsync();
            break;
        case "cancel":
            await CancelBenchmark.RunAsync();
            break;
        case "fairness":
            await FairnessBenchmark.RunAsync();
            break;
        case "client":
            await ClientBenchmark.RunAsync();
            break;
        case "embedded":
            await EmbeddedBenchmark.RunAsync();
            break;
        default:
            await Console.Error.WriteLineAsync($"There is no benchmark '{name}'; there are relay, cancel, fairness, client and embedded.");
            return 2;
    }
}

return 0;
