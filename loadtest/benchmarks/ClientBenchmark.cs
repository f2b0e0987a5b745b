using System.Diagnostics.Metrics;
using System.Globalization;
using Grpc.Core;
using Grpc.Net.Client;
using GrpcLlm.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// What <see cref="GrpcLlmClient.GenerateAsync"/> costs per chunk over the generated stub, in time and in bytes: on a stream
/// without a network, where nothing else is measured, and against the service on loopback; in turns, in one run.
/// </summary>
internal static class ClientBenchmark
{
    private const int Rounds = 7;
    private const int ChunksInMemory = 2_000_000;
    private const int Streams = 30;
    private const int TokensPerStream = 2000;

    public static async Task RunAsync()
    {
        Console.WriteLine($"client: {Environment.ProcessorCount} cores; cost of a chunk, median of {Rounds} rounds in turns");
        await InMemoryAsync("in memory, nobody listens");
        using (var listener = ListenToTelemetry()) await InMemoryAsync("in memory, metrics listened to");

        await using var server = await ServerProcess.StartAsync(
            "GrpcLlm:Backends:none:Kind=simulator", "GrpcLlm:Models:none:Routes:0:Backend=none");
        using var channel = GrpcChannel.ForAddress(server.Address);
        var stub = new GenerationService.GenerationServiceClient(channel);
        await using var client = new GrpcLlmClient(channel);
        await CompareAsync(
            "service on loopback, 1 caller", Streams * TokensPerStream,
            () => RepeatAsync(() => ReadStubAsync(stub, Request())), () => RepeatAsync(() => ReadClientAsync(client, Request())));
    }

    private static Task InMemoryAsync(string name) => CompareAsync(
        name, ChunksInMemory,
        static () => ReadStubAsync(new GenerationService.GenerationServiceClient(new EndlessStream(ChunksInMemory)), Request()),
        static async () =>
        {
            await using var client = new GrpcLlmClient(new EndlessStream(ChunksInMemory));
            await ReadClientAsync(client, Request());
        });

    private static async Task CompareAsync(string name, int chunks, Func<Task> stub, Func<Task> client)
    {
        var costs = new[] { new List<Cost>(), new List<Cost>() };
        await stub();
        await client();
        for (var round = 0; round < Rounds; round++)
        {
            costs[0].Add(await MeasureAsync(chunks, stub));
            costs[1].Add(await MeasureAsync(chunks, client));
        }

        var (raw, typed) = (Median(costs[0]), Median(costs[1]));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  {name,-32} stub {raw.Nanoseconds,8:0.0} ns {raw.Bytes,7:0.0} B   client {typed.Nanoseconds,8:0.0} ns {typed.Bytes,7:0.0} B   ({typed.Nanoseconds - raw.Nanoseconds:+0.0;-0.0;0.0} ns, {typed.Bytes - raw.Bytes:+0.0;-0.0;0.0} B, {typed.Nanoseconds / raw.Nanoseconds:0.00} of the stub)"));
    }

    private static async Task<Cost> MeasureAsync(int chunks, Func<Task> read)
    {
        var bytes = GC.GetTotalAllocatedBytes(precise: true);
        var start = TimeProvider.System.GetTimestamp();
        await read();
        var time = TimeProvider.System.GetElapsedTime(start);
        return new Cost(time.TotalNanoseconds / chunks, (double)(GC.GetTotalAllocatedBytes(precise: true) - bytes) / chunks);
    }

    private static Cost Median(List<Cost> costs) => new(
        Statistics.Percentile([.. costs.Select(static cost => cost.Nanoseconds)], 0.5),
        Statistics.Percentile([.. costs.Select(static cost => cost.Bytes)], 0.5));

    private static async Task RepeatAsync(Func<Task> read)
    {
        for (var n = 0; n < Streams; n++) await read();
    }

    private static GenerateRequest Request() => new()
    {
        RequestId = "bench", Model = "none", Prompt = "p", Limits = new GenerationLimits { MaxOutputTokens = TokensPerStream },
    };

    private static async Task ReadStubAsync(GenerationService.GenerationServiceClient stub, GenerateRequest request)
    {
        using var call = stub.Generate(request);
        while (await call.ResponseStream.MoveNext(CancellationToken.None)) Consume(call.ResponseStream.Current);
    }

    private static async Task ReadClientAsync(GrpcLlmClient client, GenerateRequest request)
    {
        await foreach (var chunk in client.GenerateAsync(request)) Consume(chunk);
    }

    private static void Consume(TokenChunk chunk) => GC.KeepAlive(chunk);

    private static MeterListener ListenToTelemetry()
    {
        var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == GrpcLlmTelemetry.MeterName) listener.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>(static (_, _, _, _) => { });
        listener.SetMeasurementEventCallback<long>(static (_, _, _, _) => { });
        listener.Start();
        return listener;
    }

    private readonly record struct Cost(double Nanoseconds, double Bytes);

    /// <summary>The same message over and over, at hand at once, then the finish; allocates nothing per chunk.</summary>
    private sealed class EndlessStream(int messages) : CallInvoker, IAsyncStreamReader<TokenChunk>
    {
        private static readonly Task<bool> More = Task.FromResult(true);
        private static readonly Task<bool> NoMore = Task.FromResult(false);

        private readonly TokenChunk _chunk = new() { TokenCount = 1, Text = " token" };

        public TokenChunk Current => _chunk;

        public Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            if (_chunk.Sequence == (ulong)messages) return NoMore;
            _chunk.Sequence++;
            if (_chunk.Sequence == (ulong)messages) _chunk.Finish = new Finish { Reason = FinishReason.Stop };
            return More;
        }

        public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) => new(
            (IAsyncStreamReader<TResponse>)(object)this, Task.FromResult(new Metadata()), static () => Status.DefaultSuccess,
            static () => [], static () => { });

        public override TResponse BlockingUnaryCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
            throw new NotSupportedException();

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
            throw new NotSupportedException();

        public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options) => throw new NotSupportedException();

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options) => throw new NotSupportedException();
    }
}
