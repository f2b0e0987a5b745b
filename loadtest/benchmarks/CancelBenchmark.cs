using System.Globalization;
using GrpcLlm.V1;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// Time from a client's cancel to the close of the upstream's socket, with many streams open against a silent upstream.
/// Streams are cancelled one by one, and then all at once.
/// </summary>
internal static class CancelBenchmark
{
    public static async Task RunAsync()
    {
        using var upstream = new SseUpstream();
        await using var server = await ServerProcess.StartAsync(
            "GrpcLlm:Backends:up:Kind=openai", $"GrpcLlm:Backends:up:BaseUrl=http://127.0.0.1:{upstream.Port}",
            "GrpcLlm:Backends:up:IdleTimeout=00:05:00", "GrpcLlm:Models:bench:Routes:0:Backend=up");
        Console.WriteLine($"cancel: {Environment.ProcessorCount} cores; milliseconds from the client's cancel to the closed upstream socket");
        foreach (var streams in new[] { 200, 200, 1000 })
        {
            await OneByOneAsync(upstream, server, streams);
            await AllAtOnceAsync(upstream, server, streams);
        }
    }

    private static async Task OneByOneAsync(SseUpstream upstream, ServerProcess server, int streams)
    {
        using var caller = new GrpcCaller("grpcllm", server.Address, "bench");
        var calls = await OpenAsync(upstream, caller, streams);
        var times = new List<double>();
        foreach (var call in calls)
        {
            var closed = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
            upstream.Closed = (_, at) => closed.TrySetResult(at);
            var start = TimeProvider.System.GetTimestamp();
            call.Dispose();
            times.Add(TimeProvider.System.GetElapsedTime(start, await closed.Task).TotalMilliseconds);
        }

        Print($"{streams} open, cancelled one by one", times);
    }

    private static async Task AllAtOnceAsync(SseUpstream upstream, ServerProcess server, int streams)
    {
        using var caller = new GrpcCaller("grpcllm", server.Address, "bench");
        var calls = await OpenAsync(upstream, caller, streams);
        var starts = new long[streams];
        var closed = new long[streams];
        var open = streams;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        upstream.Closed = (number, at) =>
        {
            closed[number] = at;
            if (Interlocked.Decrement(ref open) == 0) all.TrySetResult();
        };
        for (var n = 0; n < streams; n++)
        {
            starts[n] = TimeProvider.System.GetTimestamp();
            calls[n].Dispose();
        }

        await all.Task;
        Print(
            $"{streams} open, cancelled all at once",
            [.. starts.Select((start, n) => TimeProvider.System.GetElapsedTime(start, closed[n]).TotalMilliseconds)]);
    }

    private static async Task<List<IDisposable>> OpenAsync(SseUpstream upstream, GrpcCaller caller, int streams)
    {
        var silent = 0;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        upstream.Silent = () =>
        {
            if (Interlocked.Increment(ref silent) == streams) all.TrySetResult();
        };
        var calls = new List<IDisposable>();
        var firsts = new List<Task>();
        for (var n = 0; n < streams; n++)
        {
            var call = caller.Client.Generate(new GenerateRequest { Model = "bench", Prompt = $"p{n}" });
            calls.Add(call);
            firsts.Add(call.ResponseStream.MoveNext(CancellationToken.None));
        }

        await all.Task;
        await Task.WhenAll(firsts);
        return calls;
    }

    private static void Print(string what, List<double> times) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"  {what,-38} p50 {Statistics.Percentile(times, 0.5),7:0.00}  p99 {Statistics.Percentile(times, 0.99),7:0.00}  max {times.Max(),7:0.00}"));
}
