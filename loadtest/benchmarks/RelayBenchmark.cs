using System.Globalization;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// What lies between a caller and an OpenAI-style upstream: nothing, nginx as a plain pass-through, or this service; in
/// one run, in turns, on one machine. Ratios are the result; absolute times belong to the machine.
/// </summary>
internal static class RelayBenchmark
{
    private const int Rounds = 5;
    private const int CallsPerRound = 300;
    private const int Callers = 16;
    private const int TokensPerStream = 2000;

    public static async Task RunAsync()
    {
        using var upstream = new SseUpstream();
        await using var nginx = await NginxProcess.StartAsync(upstream.Port);
        await using var server = await ServerProcess.StartAsync(
            "GrpcLlm:Backends:up:Kind=openai", $"GrpcLlm:Backends:up:BaseUrl=http://127.0.0.1:{upstream.Port}",
            "GrpcLlm:Models:bench:Routes:0:Backend=up",
            "GrpcLlm:Backends:none:Kind=simulator", "GrpcLlm:Models:none:Routes:0:Backend=none");
        var targets = new List<ICaller> { new SseCaller("direct", new Uri($"http://127.0.0.1:{upstream.Port}")) };
        if (nginx is not null) targets.Add(new SseCaller("nginx", new Uri($"http://127.0.0.1:{nginx.Port}")));
        targets.Add(new GrpcCaller("grpcllm", server.Address, "bench"));

        // What gRPC itself costs, stub included: the same stream without an upstream behind it.
        targets.Add(new GrpcCaller("no-hop", server.Address, "none"));

        Console.WriteLine($"relay: {Environment.ProcessorCount} cores; upstream, callers and relay share them");
        if (nginx is null) Console.WriteLine("relay: nginx is not installed (Debian: apt-get install nginx-light); left out");
        foreach (var target in targets) await FloodAsync(target, Callers, TokensPerStream);
        await MeasureFirstTokenAsync(targets);
        await MeasureThroughputAsync(targets);
        foreach (var target in targets) target.Dispose();
    }

    private static async Task MeasureFirstTokenAsync(List<ICaller> targets)
    {
        var times = targets.ToDictionary(static target => target.Name, static _ => new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            foreach (var target in targets)
            {
                for (var call = 0; call < CallsPerRound; call++)
                    times[target.Name].Add((await target.CallAsync(4)).FirstToken.TotalMilliseconds);
            }
        }

        var direct = Percentile(times["direct"], 0.5);
        Console.WriteLine($"time to first token, 1 caller, {Rounds} x {CallsPerRound} calls each, p50 ms (added to direct), p99 ms");
        foreach (var (name, all) in times)
        {
            var p50 = Percentile(all, 0.5);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"  {name,-8} {p50,8:0.000} (+{p50 - direct:0.000}) {Percentile(all, 0.99),8:0.000}"));
        }
    }

    private static async Task MeasureThroughputAsync(List<ICaller> targets)
    {
        var rates = targets.ToDictionary(static target => target.Name, static _ => new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            foreach (var target in targets) rates[target.Name].Add(await FloodAsync(target, Callers, TokensPerStream));
        }

        var direct = Percentile(rates["direct"], 0.5);
        Console.WriteLine($"chunks a second, {Callers} callers, {Rounds} rounds of {TokensPerStream} chunks a stream, median (share of direct)");
        foreach (var (name, all) in rates)
        {
            var median = Percentile(all, 0.5);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"  {name,-8} {median,10:0} ({median / direct:0.00})"));
        }
    }

    /// <summary>Calls at once, and how many tokens a second all of them got.</summary>
    internal static async Task<double> FloodAsync(ICaller target, int callers, int tokens)
    {
        var start = TimeProvider.System.GetTimestamp();
        var results = await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => target.CallAsync(tokens)));
        var lost = results.Count(result => result.Tokens != tokens);
        if (lost > 0) throw new InvalidOperationException($"{target.Name}: {lost} streams have not {tokens} tokens.");
        return results.Sum(static result => (double)result.Tokens) / TimeProvider.System.GetElapsedTime(start).TotalSeconds;
    }

    internal static double Percentile(List<double> values, double share)
    {
        var sorted = values.Order().ToList();
        return sorted[(int)Math.Min(sorted.Count - 1, Math.Ceiling(share * sorted.Count) - 1)];
    }
}
