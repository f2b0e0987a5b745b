using System.Buffers;
using System.Globalization;
using System.Text;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Google.Protobuf;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Backends.OpenAi;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Benchmarks;

/// <summary>Time and allocations of each step of a token's way, one thousand tokens an operation.</summary>
internal static class AllocationBenchmark
{
    public static Task RunAsync(Report report)
    {
        report.Section("Allocations a token", """
            Each step of a token's way through an OpenAI-style backend by itself, by BenchmarkDotNet in this process (its own
            toolchain would build the service a second time). The text of a token is a string of its own, which the message needs:
            40 bytes of what stands here.
            """);
        var job = (report.Quick ? Job.Dry : Job.ShortRun).WithToolchain(InProcessEmitToolchain.Instance);
        var config = ManualConfig.CreateEmpty().AddJob(job).AddDiagnoser(MemoryDiagnoser.Default).AddLogger(NullLogger.Instance)
            .WithOptions(ConfigOptions.DisableOptimizationsValidator)
            .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "grpcllm-benchmarks"));
        var summary = BenchmarkRunner.Run<TokenSteps>(config);
        if (summary.HasCriticalValidationErrors || summary.Reports.Any(static one => !one.Success))
            throw new InvalidOperationException("BenchmarkDotNet could not measure.");
        report.Table(["step", "ns a token", "bytes a token"], [.. summary.Reports.Select(one => new[]
        {
            one.BenchmarkCase.Descriptor.WorkloadMethodDisplayInfo.Trim('\''),
            Report.Number(one.ResultStatistics!.Median / TokenSteps.Tokens, 1),
            Report.Number((one.GcStats.GetBytesAllocatedPerOperation(one.BenchmarkCase) ?? 0) / (double)TokenSteps.Tokens, 1),
        })]);
        return Task.CompletedTask;
    }
}

/// <summary>The steps. Public, as BenchmarkDotNet wants them.</summary>
public class TokenSteps
{
    internal const int Tokens = 1000;

    private readonly byte[] _body;
    private readonly byte[][] _events;
    private readonly byte[] _withUsage;
    private readonly List<BackendEvent> _output = new(4);
    private readonly ArrayBufferWriter<byte> _wire = new(64 * 1024);
    private readonly BackendEvent _delta = BackendEvent.TextDelta(" token");
    private readonly TokenChunk _chunk = new() { Text = " token", Sequence = 1000, ElapsedUs = 1_000_000, TokenCount = 1, TokenGapsUs = { 20_000 } };

    public TokenSteps()
    {
        _events = [.. Enumerable.Range(0, Tokens).Select(static n => Encoding.UTF8.GetBytes(string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"bench","choices":[{"index":0,"delta":{"content":" t{{n % 10}}ken"},"finish_reason":null}]}""")))];
        _body = [.. _events.SelectMany(static one => (byte[])[.. "data: "u8, .. one, .. "\n\n"u8])];
        _withUsage = Encoding.UTF8.GetBytes(
            """{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"bench","choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}],"usage":{"prompt_tokens":9,"completion_tokens":4}}""");
    }

    [Benchmark(Description = "split server-sent events")]
    public int Split()
    {
        var framing = new ServerSentEventFraming();
        var (at, bytes) = (0, 0);
        while (framing.TryTake(_body.AsSpan(at), isEnd: false, out var used, out _, out var data))
        {
            at += used;
            bytes += data.Length;
        }

        return bytes;
    }

    [Benchmark(Description = "map an ordinary chunk")]
    public int MapOrdinary()
    {
        var stream = new OpenAiStream(new GenerateRequest());
        foreach (var one in _events) Read(stream, one);
        return _output.Count;
    }

    [Benchmark(Description = "map a chunk with usage, the general way")]
    public int MapGeneral()
    {
        var stream = new OpenAiStream(new GenerateRequest());
        for (var n = 0; n < Tokens; n++) Read(stream, _withUsage);
        return _output.Count;
    }

    [Benchmark(Description = "build a message")]
    public ulong Build()
    {
        var queue = new ChunkQueue();
        var assembler = new DeltaAssembler(queue, new GenerationRecord(new CallClock(TimeProvider.System), "r"), stops: null);
        var sum = 0UL;
        for (var n = 0; n < Tokens; n++)
        {
            assembler.Accept(_delta, n);
            var chunk = queue.Dequeue();
            sum += chunk.TokenCount;
            ChunkQueue.Recycle(chunk);
        }

        return sum;
    }

    [Benchmark(Description = "serialize a message")]
    public int Serialize()
    {
        _wire.ResetWrittenCount();
        for (var n = 0; n < Tokens; n++)
        {
            _chunk.CalculateSize();
            _chunk.WriteTo(_wire);
        }

        return _wire.WrittenCount;
    }

    private void Read(OpenAiStream stream, byte[] one)
    {
        _output.Clear();
        stream.Read("message", one, _output);
    }
}
