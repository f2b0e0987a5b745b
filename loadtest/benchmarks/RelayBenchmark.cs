namespace GrpcLlm.Benchmarks;

/// <summary>
/// What lies between a caller and an OpenAI-style upstream: nothing, nginx as a plain pass-through, a bare gRPC handler, or
/// this service; in one run, in turns, on one machine. Ratios are the result; absolute times belong to the machine.
/// </summary>
internal static class RelayBenchmark
{
    private const int CallsPerTurn = 50;

    /// <summary>Another build of the server to set beside this one: its folder. For development.</summary>
    internal static readonly string? Baseline = Environment.GetEnvironmentVariable("GRPCLLM_BENCH_BASELINE");

    public static async Task RunAsync(Report report)
    {
        using var upstream = new SseUpstream();
        var address = new Uri($"http://127.0.0.1:{upstream.Port}");
        string[] settings =
        [
            "GrpcLlm:Backends:up:Kind=openai", $"GrpcLlm:Backends:up:BaseUrl={address}",
            "GrpcLlm:Models:bench:Routes:0:Backend=up",
            "GrpcLlm:Backends:none:Kind=simulator", "GrpcLlm:Models:none:Routes:0:Backend=none",
        ];
        await using var nginx = await NginxProcess.StartAsync(upstream.Port);
        await using var bare = await BareServer.StartAsync(address);
        await using var server = await ServerProcess.StartAsync(settings);
        await using var baseline = Baseline is null ? null : await ServerProcess.StartFromAsync(Baseline, settings);

        var targets = new List<Target> { new(new SseCaller("direct", address), null, null) };
        if (nginx is not null)
        {
            targets.Add(new Target(
                new SseCaller("nginx", new Uri($"http://127.0.0.1:{nginx.Port}")), () => nginx.ProcessorTime, () => nginx.ResidentBytes));
        }

        targets.Add(new Target(new GrpcCaller("bare gRPC relay", bare.Address, "relay"), () => bare.ProcessorTime, () => bare.ResidentBytes));
        targets.Add(new Target(new GrpcCaller("grpcllm", server.Address, "bench"), () => server.ProcessorTime, () => server.ResidentBytes));
        if (baseline is not null)
            targets.Add(new Target(new GrpcCaller("baseline", baseline.Address, "bench"), () => baseline.ProcessorTime, () => baseline.ResidentBytes));
        targets.Add(new Target(new GrpcCaller("bare gRPC, no upstream", bare.Address, "none"), () => bare.ProcessorTime, () => bare.ResidentBytes));
        targets.Add(new Target(new GrpcCaller("grpcllm, no upstream", server.Address, "none"), () => server.ProcessorTime, () => server.ResidentBytes));

        report.Section("Relay of an OpenAI-style upstream", """
            One upstream in this process writes an event a token. Callers reach it directly, through nginx as a plain
            pass-through (HTTP/1.1, no buffering), through a bare Grpc.AspNetCore handler that does nothing but read events and
            write messages, and through this service. Upstream, callers and relay share the cores. The rows without an upstream
            show what gRPC itself costs, stub included.
            """);
        if (nginx is null) report.Note("nginx is not installed (Debian: `apt-get install nginx-light`), so its rows are missing.");

        // Until the code has been compiled in its last form, each target would be measured in another state.
        for (var round = 0; round < report.Pick(6, 1); round++)
        {
            foreach (var target in targets)
            {
                await FloodAsync(target.Caller, 16, report.Pick(4000, 500));
                for (var call = 0; call < report.Pick(200, 20); call++) await target.Caller.CallAsync(4);
            }
        }

        await MeasureFirstTokenAsync(report, targets);
        await MeasureThroughputAsync(report, targets, callers: 16, tokens: report.Pick(10_000, 500));
        await MeasureThroughputAsync(report, targets, callers: 200, tokens: report.Pick(1000, 50));
        foreach (var target in targets) target.Caller.Dispose();
    }

    private static async Task MeasureFirstTokenAsync(Report report, List<Target> targets)
    {
        var rounds = report.Pick(30, 2);
        var times = targets.ToDictionary(static target => target, static _ => new List<double>());
        var used = targets.ToDictionary(static target => target, static _ => TimeSpan.Zero);
        for (var round = 0; round < rounds; round++)
        {
            foreach (var target in targets)
            {
                var before = target.ProcessorTime;
                for (var call = 0; call < CallsPerTurn; call++)
                    times[target].Add((await target.Caller.CallAsync(4)).FirstToken.TotalMilliseconds);
                used[target] += target.ProcessorTime - before;
            }
        }

        var direct = Statistics.Median(times[targets[0]]);
        report.Note($"Time to first token, 1 caller, {rounds} turns of {CallsPerTurn} calls of 4 tokens, milliseconds. Goal: less added than nginx adds.");
        report.Table(["", "p50", "added", "p90", "p99", "relay CPU µs a call"], [.. targets.Select(target => new[]
        {
            target.Caller.Name,
            Report.Number(Statistics.Median(times[target]), 3),
            Report.Number(Statistics.Median(times[target]) - direct, 3),
            Report.Number(Statistics.Percentile(times[target], 0.9), 3),
            Report.Number(Statistics.Percentile(times[target], 0.99), 3),
            target.HasProcess ? Report.Number(used[target].TotalMicroseconds / times[target].Count, 0) : "",
        })]);
        if (targets.Find(static target => target.Caller.Name == "nginx") is not { } nginx) return;
        var own = targets.First(static target => target.Caller.Name == "grpcllm");
        var (added, addedByNginx) = (Statistics.Median(times[own]) - direct, Statistics.Median(times[nginx]) - direct);
        report.Goal(
            "TTFT added to direct, 1 caller, p50", $"less than nginx adds ({Report.Number(addedByNginx, 3)} ms)",
            $"{Report.Number(added, 3)} ms", added < addedByNginx);
    }

    private static async Task MeasureThroughputAsync(Report report, List<Target> targets, int callers, int tokens)
    {
        var rounds = report.Pick(7, 2);
        var rates = targets.ToDictionary(static target => target, static _ => new List<double>());
        var costs = targets.ToDictionary(static target => target, static _ => new List<double>());
        var messages = targets.ToDictionary(static target => target, static _ => 0L);
        for (var round = 0; round < rounds; round++)
        {
            foreach (var target in targets)
            {
                var before = target.ProcessorTime;
                var (rate, received) = await FloodAsync(target.Caller, callers, tokens);
                rates[target].Add(rate);
                messages[target] += received;
                costs[target].Add((target.ProcessorTime - before).TotalMicroseconds / (callers * (double)tokens));
            }
        }

        var direct = rates[targets[0]];
        report.Note($"Flood, {callers} callers, {rounds} rounds of {tokens} tokens a stream, medians. Goal at 16: at least nginx's share of direct.");
        report.Table(["", "tokens/s", "of direct", "relay CPU µs a token", "tokens a message", "relay RSS MiB"], [.. targets.Select(target => new[]
        {
            target.Caller.Name,
            Report.Whole(Statistics.Median(rates[target])),
            Report.Number(ShareOf(target), 2),
            target.HasProcess ? Report.Number(Statistics.Median(costs[target]), 2) : "",
            Report.Number((double)rounds * callers * tokens / messages[target], 2),
            target.HasProcess ? Report.Number(target.ResidentBytes / (1024.0 * 1024), 0) : "",
        })]);
        if (callers != 16 || targets.Find(static target => target.Caller.Name == "nginx") is not { } nginx) return;
        var (share, shareOfNginx) = (ShareOf(targets.First(static target => target.Caller.Name == "grpcllm")), ShareOf(nginx));
        report.Goal(
            "tokens/s relayed, 16 callers, of direct", $"at least nginx's ({Report.Number(shareOfNginx, 2)})",
            Report.Number(share, 2), share >= shareOfNginx);

        double ShareOf(Target target) => Statistics.Median([.. rates[target].Select((rate, round) => rate / direct[round])]);
    }

    /// <summary>Calls at once: how many tokens a second all of them got, and in how many messages.</summary>
    internal static async Task<(double Rate, long Messages)> FloodAsync(ICaller target, int callers, int tokens)
    {
        var start = TimeProvider.System.GetTimestamp();
        var results = await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => target.CallAsync(tokens)));
        var lost = results.Count(result => result.Tokens != tokens);
        if (lost > 0) throw new InvalidOperationException($"{target.Name}: {lost} streams have not {tokens} tokens.");
        var rate = results.Sum(static result => (double)result.Tokens) / TimeProvider.System.GetElapsedTime(start).TotalSeconds;
        return (rate, results.Sum(static result => (long)result.Messages));
    }

    private sealed record Target(ICaller Caller, Func<TimeSpan>? Processor, Func<long>? Memory)
    {
        public bool HasProcess => Processor is not null;

        public TimeSpan ProcessorTime => Processor?.Invoke() ?? TimeSpan.Zero;

        public long ResidentBytes => Memory?.Invoke() ?? 0;
    }
}
