using GrpcLlm.V1;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// A call's own cost, for development: processor time of short calls, through a bare gRPC handler, this service and, with
/// <c>GRPCLLM_BENCH_BASELINE</c>, another build of it, in turns. One caller: every hop between threads is seen. Eight: they
/// are not, and what is left is work.
/// </summary>
internal static class CallBenchmark
{
    private const int Tokens = 4;
    private const int CancelsAtOnce = 16;

    public static async Task RunAsync()
    {
        using var upstream = new SseUpstream();
        var address = new Uri($"http://127.0.0.1:{upstream.Port}");
        string[] settings =
        [
            "GrpcLlm:Backends:up:Kind=openai", $"GrpcLlm:Backends:up:BaseUrl={address}",
            "GrpcLlm:Models:relay:Routes:0:Backend=up", "GrpcLlm:Models:wait:Routes:0:Backend=up",
            "GrpcLlm:Backends:none:Kind=simulator", "GrpcLlm:Models:none:Routes:0:Backend=none",
        ];
        RuntimeCounts.Enable();
        await using var bare = await BareServer.StartAsync(address);
        await using var server = await ServerProcess.StartAsync(settings);
        await using var baseline = RelayBenchmark.Baseline is { } folder ? await ServerProcess.StartFromAsync(folder, settings) : null;
        (string Name, ServerProcess Process)[] servers =
            baseline is null ? [("bare", bare), ("grpcllm", server)] : [("bare", bare), ("baseline", baseline), ("grpcllm", server)];

        Console.WriteLine("model  callers  server      CPU µs a call  of bare  TTFT p50 ms");
        foreach (var model in (string[])["none", "relay"])
        {
            var callers = servers.Select(one => new GrpcCaller(one.Name, one.Process.Address, model)).ToArray();
            foreach (var caller in callers) await CallAsync(caller, 8, 20_000);
            foreach (var (count, rounds, calls) in ((int, int, int)[])[(1, 30, 200), (8, 30, 1000)])
            {
                var costs = callers.Select(static _ => new List<double>()).ToArray();
                var times = callers.Select(static _ => new List<double>()).ToArray();
                for (var round = 0; round < rounds; round++)
                {
                    for (var index = 0; index < callers.Length; index++)
                    {
                        var before = servers[index].Process.ProcessorTime;
                        times[index].AddRange(await CallAsync(callers[index], count, calls));
                        costs[index].Add((servers[index].Process.ProcessorTime - before).TotalMicroseconds / calls);
                    }
                }

                for (var index = 0; index < callers.Length; index++)
                {
                    Console.WriteLine(
                        $"{model,-6} {count,7}  {callers[index].Name,-10} {Statistics.Median(costs[index]),14:F1} {Statistics.Median([.. costs[index].Zip(costs[0], static (own, yardstick) => own / yardstick)]),8:F2} {Statistics.Median(times[index]),12:F3}");
                }
            }

            await CountAsync(servers, callers);
            foreach (var caller in callers) caller.Dispose();
        }

        await MeasureCancelsAsync(upstream, servers[1..]);
    }

    /// <summary>What one call costs in things that can be counted, one caller.</summary>
    private static async Task CountAsync((string Name, ServerProcess Process)[] servers, GrpcCaller[] callers)
    {
        const int Calls = 4000;
        Console.WriteLine("        server      KiB allocated  pool items  waits of a thread");
        for (var index = 0; index < servers.Length; index++)
        {
            var before = RuntimeCounts.Of(servers[index].Process);
            await CallAsync(callers[index], 1, Calls);
            var each = (RuntimeCounts.Of(servers[index].Process) - before) / Calls;
            Console.WriteLine(
                $"        {servers[index].Name,-10} {each.AllocatedBytes / 1024,14:F2} {each.WorkItems,11:F2} {each.Switches,18:F2}");
        }
    }

    /// <summary>Calls that are cancelled while they wait for their first token: opening, cancelling and all that follows.</summary>
    private static async Task MeasureCancelsAsync(SseUpstream upstream, (string Name, ServerProcess Process)[] servers)
    {
        const int Rounds = 12, Batches = 10;
        var costs = servers.Select(static _ => new List<double>()).ToArray();
        for (var round = -Rounds; round < Rounds; round++)
        {
            for (var index = 0; index < servers.Length; index++)
            {
                // A connection of its own: one that breaks off many calls is ended (see ResetGuard).
                using var caller = new GrpcCaller(servers[index].Name, servers[index].Process.Address, "wait");
                var before = servers[index].Process.ProcessorTime;
                for (var batch = 0; batch < Batches; batch++) await CancelAsync(upstream, caller.Client);

                // What the server does behind the closed socket is part of it.
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
                var used = (servers[index].Process.ProcessorTime - before).TotalMicroseconds / (Batches * CancelsAtOnce);
                if (round >= 0) costs[index].Add(used);
            }
        }

        for (var index = 0; index < servers.Length; index++)
            Console.WriteLine($"cancel {CancelsAtOnce,7}  {servers[index].Name,-10} {Statistics.Median(costs[index]),14:F1}");
    }

    private static async Task CancelAsync(SseUpstream upstream, GenerationService.GenerationServiceClient client)
    {
        var (begun, closed) = (0, 0);
        var (allBegun, allClosed) = (new TaskCompletionSource(), new TaskCompletionSource());
        upstream.Begun = () => Tell(ref begun, allBegun);
        upstream.Closed = (_, _) => Tell(ref closed, allClosed);
        var calls = Enumerable.Range(0, CancelsAtOnce).Select(number => client.Generate(new GenerateRequest { Model = "wait", Prompt = $"p{number}" })).ToList();
        await allBegun.Task;
        foreach (var call in calls) call.Dispose();
        await allClosed.Task;

        static void Tell(ref int count, TaskCompletionSource all)
        {
            if (Interlocked.Increment(ref count) == CancelsAtOnce) all.TrySetResult();
        }
    }

    private static async Task<IEnumerable<double>> CallAsync(GrpcCaller caller, int callers, int calls)
    {
        var all = await Task.WhenAll(Enumerable.Range(0, callers).Select(async _ =>
        {
            var times = new List<double>();
            for (var call = 0; call < calls / callers; call++)
                times.Add((await caller.CallAsync(Tokens)).FirstToken.TotalMilliseconds);
            return times;
        }));
        return all.SelectMany(static times => times);
    }
}
