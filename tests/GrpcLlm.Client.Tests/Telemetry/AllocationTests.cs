using GrpcLlm.Client.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Telemetry;

/// <summary>Bytes that this thread allocates for a stream, less those for a shorter one: what each further chunk costs.</summary>
[Collection(TelemetryAlone.Name)]
public sealed class AllocationTests
{
    private const int Few = 1_000;
    private const int Many = 11_000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Chunk_AtHand_AllocatesNothing(bool listens)
    {
        using var telemetry = listens ? new CountingTelemetry() : null;

        PerChunk(messages => Read(messages)).ShouldBe(0);
    }

    [Fact]
    public void Chunk_WaitedFor_AllocatesNoMoreThanTheRawStream()
    {
        var raw = PerChunk(messages => ReadWaiting(messages, static stream => ReadRawAsync(stream)));

        PerChunk(messages => ReadWaiting(messages, static stream => ReadAsync(stream))).ShouldBe(raw);
    }

    /// <summary>Bytes per chunk, to the nearest one: the few that a whole call costs more or less do not count.</summary>
    private static double PerChunk(Action<int> read)
    {
        read(Few);
        read(Many);
        return Math.Round((Measure(() => read(Many)) - Measure(() => read(Few))) / (double)(Many - Few));
    }

    private static long Measure(Action action)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static void Read(int messages)
    {
        var reading = ReadAsync(new FakeStream(messages, waits: false));
        reading.IsCompletedSuccessfully.ShouldBeTrue();
    }

    private static void ReadWaiting(int messages, Func<FakeStream, Task> read)
    {
        var stream = new FakeStream(messages, waits: true);
        var reading = read(stream);
        while (stream.Release())
        {
            // The reader runs inside, up to its next wait.
        }

        reading.IsCompletedSuccessfully.ShouldBeTrue();
    }

    private static async Task ReadAsync(FakeStream stream)
    {
        await using var client = new GrpcLlmClient(stream);
        await foreach (var _ in client.GenerateAsync(new GenerateRequest { RequestId = "mine" }))
        {
            // The chunk is read; that is all.
        }
    }

    private static async Task ReadRawAsync(FakeStream stream)
    {
        using var call = new GenerationService.GenerationServiceClient(stream).Generate(new GenerateRequest());
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
        {
            // The chunk is read; that is all.
        }
    }

    /// <summary>Listens to every chunk's time, and keeps nothing.</summary>
    private sealed class CountingTelemetry : IDisposable
    {
        private readonly System.Diagnostics.Metrics.MeterListener _listener = new()
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == GrpcLlmTelemetry.MeterName) listener.EnableMeasurementEvents(instrument);
            },
        };

        private long _count;

        public CountingTelemetry()
        {
            _listener.SetMeasurementEventCallback<double>((_, _, _, _) => _count++);
            _listener.Start();
        }

        public void Dispose()
        {
            _listener.Dispose();
            _count.ShouldBeGreaterThan(2 * Many);
        }
    }
}
