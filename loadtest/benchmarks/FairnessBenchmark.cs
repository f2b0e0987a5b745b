using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// What a calm tenant notices when another one floods the server at ten times what it may have: once with a limit of its
/// own, once held back by the queue alone. Both call at a fixed rate, whatever comes back.
/// </summary>
internal static class FairnessBenchmark
{
    private const int Places = 40;
    private const int PlacesOfFlood = 20;
    private const int Tokens = 20;
    private const int CalmCallsPerSecond = 20;

    // A call takes about 50 ms and 19 gaps of 10 ms, so its places serve about 83 calls a second.
    private const int FloodCallsPerSecond = 830;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Measured = TimeSpan.FromSeconds(15);

    public static async Task RunAsync(Report report)
    {
        report.Section("Fairness between tenants", """
            What a calm tenant notices when another one floods the server at ten times what it may have: once with a limit of its
            own, once held back by the queue alone.
            """);
        if (report.Quick) report.Note("Left out of the short form.");
        else await report.CaptureAsync(MeasureAsync);
    }

    private static async Task MeasureAsync()
    {
        await using var server = await ServerProcess.StartAsync(
            "GrpcLlm:Backends:sim:Kind=simulator", "GrpcLlm:Backends:sim:TimeToFirstToken=00:00:00.050",
            "GrpcLlm:Backends:sim:InterTokenLatency=00:00:00.010", "GrpcLlm:Models:bench:Routes:0:Backend=sim",

            // Answers of one length would keep the places in step, all free at once; each call has a seed of its own.
            "GrpcLlm:Backends:sim:TimeToFirstTokenStdDev=00:00:00.025", "GrpcLlm:Backends:sim:InterTokenLatencyStdDev=00:00:00.005",
            $"GrpcLlm:Admission:MaxConcurrent={Places}", "GrpcLlm:Admission:MaxQueue=100",
            Key("calm"), Key("limited"), Key("wild"), $"GrpcLlm:Tenants:limited:MaxConcurrent={PlacesOfFlood}");
        Console.WriteLine($"fairness: {Environment.ProcessorCount} cores; {Places} places, {CalmCallsPerSecond} calm calls a second, {FloodCallsPerSecond} of the flood");
        Console.WriteLine($"  {"",-43} {"calls",6} {"served",8} {"queue p50",10} {"queue p99",10} {"ttft p50",9} {"ttft p99",9}  ms");
        using var calm = new Caller(server.Address, "calm");
        using var limited = new Caller(server.Address, "limited");
        using var wild = new Caller(server.Address, "wild");
        await MeasureAsync(calm, WarmUp);

        Print("calm, alone", await MeasureAsync(calm, Measured));
        await BesideAsync(calm, limited, $"a flood limited to {PlacesOfFlood} places");
        await BesideAsync(calm, wild, "a flood without a limit");
        Print("calm, alone again", await MeasureAsync(calm, Measured));
    }

    private static async Task BesideAsync(Caller calm, Caller flood, string name)
    {
        using var over = new CancellationTokenSource();
        var flooding = flood.CallAsync(FloodCallsPerSecond, over.Token);
        await MeasureAsync(calm, WarmUp);
        var during = await MeasureAsync(calm, Measured);
        await over.CancelAsync();
        Print("calm, beside " + name, during);
        Print(name, await flooding);
    }

    private static async Task<List<Result>> MeasureAsync(Caller caller, TimeSpan time)
    {
        using var over = new CancellationTokenSource(time, TimeProvider.System);
        return await caller.CallAsync(CalmCallsPerSecond, over.Token);
    }

    private static string Key(string tenant) =>
        $"GrpcLlm:Tenants:{tenant}:ApiKeyHashes:0=sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(tenant)))}";

    private static void Print(string what, List<Result> results)
    {
        var served = results.Where(static result => result.Served).ToList();
        var queued = served.ConvertAll(static result => result.QueueMs);
        var first = served.ConvertAll(static result => result.FirstTokenMs);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  {what,-43} {results.Count,6} {served.Count / (double)results.Count,8:0.0%} {At(queued, 0.5),10:0.00} {At(queued, 0.99),10:0.00} {At(first, 0.5),9:0.0} {At(first, 0.99),9:0.0}"));
    }

    private static double At(List<double> values, double share) =>
        values.Count == 0 ? double.NaN : Statistics.Percentile(values, share);

    private readonly record struct Result(bool Served, double QueueMs, double FirstTokenMs);

    private sealed class Caller(Uri address, string tenant) : IDisposable
    {
        private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(10);

        private readonly GrpcChannel _channel = GrpcChannel.ForAddress(address);
        private readonly Metadata _headers = new() { { "authorization", "Bearer " + tenant } };

        /// <summary>Calls at a rate until told to end, then waits for what runs.</summary>
        public async Task<List<Result>> CallAsync(int callsPerSecond, CancellationToken over)
        {
            var client = new GenerationService.GenerationServiceClient(_channel);
            var calls = new List<Task<Result>>();
            var start = TimeProvider.System.GetTimestamp();
            using var ticks = new PeriodicTimer(Tick, TimeProvider.System);
            while (!over.IsCancellationRequested)
            {
                var due = (int)(TimeProvider.System.GetElapsedTime(start).TotalSeconds * callsPerSecond);
                while (calls.Count < due) calls.Add(CallAsync(client, calls.Count));
                await ticks.WaitForNextTickAsync(CancellationToken.None);
            }

            return [.. await Task.WhenAll(calls)];
        }

        public void Dispose() => _channel.Dispose();

        private async Task<Result> CallAsync(GenerationService.GenerationServiceClient client, int number)
        {
            var start = TimeProvider.System.GetTimestamp();
            using var call = client.Generate(
                new GenerateRequest
                {
                    Model = "bench", Prompt = "p", Limits = new GenerationLimits { MaxOutputTokens = Tokens },
                    Sampling = new SamplingOptions { Seed = number },
                },
                _headers);
            var first = TimeSpan.Zero;
            Finish? finish = null;
            try
            {
                while (await call.ResponseStream.MoveNext(CancellationToken.None))
                {
                    if (first == TimeSpan.Zero) first = TimeProvider.System.GetElapsedTime(start);
                    finish = call.ResponseStream.Current.Finish ?? finish;
                }
            }
            catch (RpcException exception) when (exception.StatusCode is StatusCode.Unavailable or StatusCode.ResourceExhausted)
            {
                return default;
            }

            return new Result(finish is not null, (finish?.Timing.QueueUs ?? 0) / 1000d, first.TotalMilliseconds);
        }
    }
}
