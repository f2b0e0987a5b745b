using Grpc.Core;
using Grpc.Net.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Benchmarks;

/// <summary>Memory of an open stream that has had its first token and waits for the next: growth of the server's process.</summary>
internal static class MemoryBenchmark
{
    private const int StreamsPerChannel = 2500;

    public static async Task RunAsync(Report report)
    {
        report.Section("Memory of an idle open stream", """
            Streams that have had their first token and wait for the next. KiB of resident memory (VmRSS) that the server grows by
            for each, garbage of their opening included, beside 500 that were open before. Each count has a process of its own.
            The collector lets some 16 MB of garbage lie, however few the streams: that is most of what the counts differ by. A
            relayed stream has a connection of HTTP/1.1 to its upstream, whose two buffers in SocketsHttpHandler are 8 KiB of it,
            here as in the bare handler.
            """);
        int[] counts = report.Quick ? [200] : [1000, 10_000];
        var rows = new List<string[]>();
        var worst = 0.0;
        using var upstream = new SseUpstream();
        foreach (var streams in counts)
        {
            await using var server = await StartAsync(
                "GrpcLlm:Backends:idle:Kind=simulator", "GrpcLlm:Backends:idle:InterTokenLatency=01:00:00");
            await using var bare = await BareServer.StartAsync(new Uri("http://127.0.0.1:1"));
            var simulated = await MeasureAsync(server, bare, "simulator", new GenerationLimits { MaxOutputTokens = 1000 }, streams, rows);

            // Without a limit the upstream keeps its stream open, after the first token.
            await using var relay = await StartAsync(
                "GrpcLlm:Backends:idle:Kind=openai", $"GrpcLlm:Backends:idle:BaseUrl=http://127.0.0.1:{upstream.Port}",
                "GrpcLlm:Models:idle:Routes:0:Model=silent");
            await using var bareRelay = await BareServer.StartAsync(new Uri($"http://127.0.0.1:{upstream.Port}"));
            var relayed = await MeasureAsync(relay, bareRelay, "OpenAI-style upstream, silent", limits: null, streams, rows);
            worst = Math.Max(worst, Math.Max(simulated, relayed));
        }

        report.Table(["backend", "streams", "KiB a stream", "bare handler", "ratio"], rows);
        report.Goal("memory per idle open stream, the most of these", "under 32 KiB", $"{Report.Number(worst, 1)} KiB", worst < 32);
    }

    private static Task<ServerProcess> StartAsync(params string[] settings) => ServerProcess.StartAsync(
        [.. settings, "GrpcLlm:Backends:idle:IdleTimeout=01:00:00", "GrpcLlm:Models:idle:Routes:0:Backend=idle", "GrpcLlm:Admission:MaxConcurrent=100000"]);

    private static async Task<double> MeasureAsync(
        ServerProcess server, ServerProcess bare, string backend, GenerationLimits? limits, int streams, List<string[]> rows)
    {
        var own = await MeasureAsync(server, "idle", limits, streams);
        var other = await MeasureAsync(bare, limits is null ? "relay" : "idle", limits, streams);
        rows.Add([backend, Report.Whole(streams), Report.Number(own, 1), Report.Number(other, 1), Report.Number(own / other, 2)]);
        return own;
    }

    private static async Task<double> MeasureAsync(ServerProcess server, string model, GenerationLimits? limits, int streams)
    {
        // What a process needs once, whatever the number of streams. They stay: others would take over their memory.
        var first = await OpenAsync(server, model, limits, 500);
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System);
        var before = server.ResidentBytes;
        var open = await OpenAsync(server, model, limits, streams);

        // A process gives pages back and takes others for a while after a burst.
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
        var grown = server.ResidentBytes - before;
        Close(open);
        Close(first);
        return grown / 1024.0 / streams;
    }

    private static async Task<(List<GrpcChannel> Channels, List<AsyncServerStreamingCall<TokenChunk>> Calls)> OpenAsync(
        ServerProcess server, string model, GenerationLimits? limits, int streams)
    {
        // Known to the bare handler alone.
        var headers = new Metadata { { "idle", "1" } };
        var channels = new List<GrpcChannel>();
        var calls = new List<AsyncServerStreamingCall<TokenChunk>>();
        while (calls.Count < streams)
        {
            var channel = GrpcChannel.ForAddress(server.Address);
            channels.Add(channel);
            var client = new GenerationService.GenerationServiceClient(channel);
            for (var n = 0; n < StreamsPerChannel && calls.Count < streams;)
            {
                // A few at a time: a burst would measure its own queues.
                var lot = Enumerable.Range(0, Math.Min(50, streams - calls.Count))
                    .Select(_ => client.Generate(new GenerateRequest { Model = model, Prompt = "p", Limits = limits }, headers)).ToList();
                var firsts = await Task.WhenAll(lot.Select(static call => call.ResponseStream.MoveNext(CancellationToken.None)));
                if (firsts.Contains(false)) throw new InvalidOperationException("A stream ended that should stay open.");
                calls.AddRange(lot);
                n += lot.Count;
            }
        }

        return (channels, calls);
    }

    private static void Close((List<GrpcChannel> Channels, List<AsyncServerStreamingCall<TokenChunk>> Calls) open)
    {
        foreach (var call in open.Calls) call.Dispose();
        foreach (var channel in open.Channels) channel.Dispose();
    }
}
