using System.Globalization;
using Grpc.Core;
using Grpc.Net.Client;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.V1;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// How well the simulator keeps its schedule, so that a load test knows what of a gap is its own error: each token against
/// its due time in this process, where no socket stands between, and as a gRPC client sees it, who does not know when
/// tokens are due: there the promptest token of each stream marks its schedule, and the others are late against it. A timer
/// of the framework with the same schedule stands beside it. What a token costs is told too.
/// </summary>
internal static class PacingBenchmark
{
    private const int Tokens = 50;
    private const string FirstTokenKey = "simulate-ttft-ms";
    private static readonly int[] StreamCounts = [1, 50, 500];
    private static readonly TimeSpan Gap = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan FirstToken = TimeSpan.FromMilliseconds(100);

    // Calls that begin all at once would measure that burst.
    private static readonly TimeSpan StartsOver = TimeSpan.FromMilliseconds(500);
    private static readonly SimulatorOptions Options = new() { AllowRequestOverrides = true, InterTokenLatency = Gap };

    public static async Task RunAsync()
    {
        await using var server = await ServerProcess.StartAsync(
            "GrpcLlm:Backends:sim:Kind=simulator", $"GrpcLlm:Backends:sim:InterTokenLatency={Gap}",
            "GrpcLlm:Backends:sim:AllowRequestOverrides=true", "GrpcLlm:Models:bench:Routes:0:Backend=sim",
            "GrpcLlm:Backends:none:Kind=simulator", "GrpcLlm:Models:none:Routes:0:Backend=none");
        using var flood = new GrpcCaller("flood", server.Address, "none");
        for (var round = 0; round < 5; round++)
            await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => flood.CallAsync(tokens: 2000)));
        using var channel = GrpcChannel.ForAddress(server.Address);
        var client = new GenerationService.GenerationServiceClient(channel);
        var simulator = new SimulatorBackend("sim", Options, TimeProvider.System);
        (string Name, Func<TimeSpan, Task<List<double>>> Read, Func<TimeSpan> CpuTime)[] ways =
        [
            ("timer (Task.Delay), in process", ReadTimerAsync, OwnCpuTime),
            ("simulator, in process", first => ReadSimulatorAsync(simulator, first), OwnCpuTime),
            ("simulator, through the service", first => ReadServiceAsync(client, first), () => server.ProcessorTime),
        ];

        Console.WriteLine($"pacing: {Environment.ProcessorCount} cores; {Tokens} tokens a stream, one every {Gap.TotalMilliseconds} ms; milliseconds by which a token is off its time");
        Console.WriteLine("pacing: through the service, how late against the promptest token of its stream; client and server share the cores");
        Console.WriteLine($"  {"",-32} {"streams",8} {"p50",8} {"p99",8} {"max",8} {"CPU µs",8}  a token; through the service, the server's");
        foreach (var (name, read, cpuTime) in ways)
        {
            await RunAsync(streams: 200, read);
            foreach (var streams in StreamCounts)
            {
                var cpu = cpuTime();
                var late = await RunAsync(streams, read);
                cpu = cpuTime() - cpu;
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"  {name,-32} {streams,8} {Statistics.Percentile(late, 0.5),8:0.000} {Statistics.Percentile(late, 0.99),8:0.000} {late.Max(),8:0.000} {cpu.TotalMicroseconds / late.Count,8:0.0}"));
            }
        }
    }

    private static TimeSpan OwnCpuTime() => Environment.CpuUsage.TotalTime;

    /// <summary>Runs streams side by side, their tokens spread evenly over one gap.</summary>
    private static async Task<List<double>> RunAsync(int streams, Func<TimeSpan, Task<List<double>>> read)
    {
        var late = await Task.WhenAll(Enumerable.Range(0, streams).Select(async n =>
        {
            await Task.Delay(StartsOver * n / streams, TimeProvider.System);
            return await read(FirstToken + (Gap * n / streams));
        }));
        return [.. late.SelectMany(static stream => stream)];
    }

    private static async Task<List<double>> ReadTimerAsync(TimeSpan first)
    {
        var start = TimeProvider.System.GetTimestamp();
        var off = new List<double>(Tokens);
        for (var index = 0; index < Tokens; index++)
        {
            var due = first + (Gap * index);
            var left = due - TimeProvider.System.GetElapsedTime(start);
            if (left > TimeSpan.Zero) await Task.Delay(left, TimeProvider.System);
            off.Add((TimeProvider.System.GetElapsedTime(start) - due).Duration().TotalMilliseconds);
        }

        return off;
    }

    private static async Task<List<double>> ReadSimulatorAsync(SimulatorBackend simulator, TimeSpan first)
    {
        var call = new BackendCall(Request(), "m")
        {
            Metadata = new Dictionary<string, string> { [FirstTokenKey] = InMilliseconds(first) },
        };
        var start = TimeProvider.System.GetTimestamp();
        var off = new List<double>(Tokens);
        await foreach (var piece in simulator.GenerateAsync(call, CancellationToken.None))
        {
            if (piece.Kind != BackendEventKind.Text) continue;
            off.Add((TimeProvider.System.GetElapsedTime(start) - first - (Gap * off.Count)).Duration().TotalMilliseconds);
        }

        return off;
    }

    private static async Task<List<double>> ReadServiceAsync(GenerationService.GenerationServiceClient client, TimeSpan first)
    {
        using var call = client.Generate(Request(), new Metadata { { FirstTokenKey, InMilliseconds(first) } });
        var behind = new List<double>(Tokens);
        var start = TimeProvider.System.GetTimestamp();
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
        {
            for (var tokens = call.ResponseStream.Current.TokenCount; tokens > 0; tokens--)
                behind.Add((TimeProvider.System.GetElapsedTime(start) - (Gap * behind.Count)).TotalMilliseconds);
        }

        var promptest = behind.Min();
        return behind.ConvertAll(time => time - promptest);
    }

    private static string InMilliseconds(TimeSpan time) => time.TotalMilliseconds.ToString(CultureInfo.InvariantCulture);

    private static GenerateRequest Request() => new()
    {
        Model = "bench", Prompt = "p", Limits = new GenerationLimits { MaxOutputTokens = Tokens },
    };
}
