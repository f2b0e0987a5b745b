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
            for each, beside 500 that were open before, its code compiled. The garbage of opening counts too, and a process has more
            or less of it when it is looked at, whatever the number of its streams: so 1,000 are the median of five processes. A
            relayed stream has a connection of HTTP/1.1 to its upstream, whose two buffers in SocketsHttpHandler are 8 KiB of it,
            here as in the bare handler.
            """);
        int[] counts = report.Quick ? [200] : [1000, 10_000];
        var rows = new List<string[]>();
        var worst = 0.0;
        using var upstream = new SseUpstream();
        string[] simulated = ["GrpcLlm:Backends:idle:Kind=simulator", "GrpcLlm:Backends:idle:InterTokenLatency=01:00:00"];
        string[] relayed =
        [
            "GrpcLlm:Backends:idle:Kind=openai", $"GrpcLlm:Backends:idle:BaseUrl=http://127.0.0.1:{upstream.Port}",
            "GrpcLlm:Models:idle:Routes:0:Model=silent",
        ];
        foreach (var streams in counts)
        {
            await AddRowAsync("simulator", simulated, new GenerationLimits { MaxOutputTokens = 1000 }, streams);

            // Without a limit the upstream keeps its stream open, after the first token.
            await AddRowAsync("OpenAI-style upstream, silent", relayed, limits: null, streams);
        }

        report.Table(["backend", "streams", "KiB a stream", "least to most of the processes", "bare handler", "ratio"], rows);
        report.Goal("memory per idle open stream, the most of these", "under 32 KiB", $"{Report.Number(worst, 1)} KiB", worst < 32);

        async Task AddRowAsync(string backend, string[] settings, GenerationLimits? limits, int streams)
        {
            var (own, other) = (new List<double>(), new List<double>());
            var processes = report.Quick || streams > 1000 ? 1 : 5;
            for (var process = 0; process < processes; process++)
            {
                await using var server = await StartAsync(settings);
                own.Add(await MeasureAsync(server, "idle", limits, streams));
                await using var bare = await BareServer.StartAsync(new Uri($"http://127.0.0.1:{upstream.Port}"));
                other.Add(await MeasureAsync(bare, limits is null ? "relay" : "idle", limits, streams));
            }

            var (median, medianOfBare) = (Statistics.Median(own), Statistics.Median(other));
            worst = Math.Max(worst, median);
            rows.Add(
            [
                backend, Report.Whole(streams), Report.Number(median, 1),
                $"{Report.Number(own.Min(), 1)} to {Report.Number(own.Max(), 1)}",
                Report.Number(medianOfBare, 1), Report.Number(median / medianOfBare, 2),
            ]);
        }
    }

    private static Task<ServerProcess> StartAsync(params string[] settings) => ServerProcess.StartAsync(
        [.. settings, "GrpcLlm:Backends:idle:IdleTimeout=01:00:00", "GrpcLlm:Models:idle:Routes:0:Backend=idle", "GrpcLlm:Admission:MaxConcurrent=100000"]);

    private static async Task<double> MeasureAsync(ServerProcess server, string model, GenerationLimits? limits, int streams)
    {
        await CompileAsync(server, model);

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

    /// <summary>
    /// Lets the code of a call be compiled in its last form, which would count as memory of the streams otherwise. The runtime
    /// compiles in the background once nothing new has come for 100 ms; a pause in which it does no more says that it is done.
    /// </summary>
    private static async Task CompileAsync(ServerProcess server, string model)
    {
        using var caller = new GrpcCaller("compile", server.Address, model);
        for (int round = 0, quiet = 0; round < 60 && quiet < 5; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => caller.CallAsync(1)));
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
            var before = server.ProcessorTime;
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System);
            quiet = server.ProcessorTime - before < TimeSpan.FromMilliseconds(20) ? quiet + 1 : 0;
        }
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
