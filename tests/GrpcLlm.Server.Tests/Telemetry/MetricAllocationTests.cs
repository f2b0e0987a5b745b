using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Telemetry.Prometheus;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace GrpcLlm.Server.Tests.Telemetry;

/// <summary>Bytes that this thread allocates for what is measured of each token, while the SDK listens.</summary>
public sealed class MetricAllocationTests
{
    // Fewer than after which the runtime replaces a loop that runs (10,000), which allocates a little.
    private const int Tokens = 5_000;

    [Fact]
    public void Token_InSteadyState_AllocatesNothing()
    {
        using var meters = new FakeMeterFactory();
        var metrics = new ServerMetrics(meters);
        using var exporter = new PrometheusExporter();
        using var provider = Sdk.CreateMeterProviderBuilder().AddMeter(TelemetryNames.Meter)
            .AddReader(new PrometheusReader(exporter)).Build();
        var record = new GenerationRecord(new CallClock(TimeProvider.System), "r") { Model = "m", Metrics = metrics };
        var states = new CallStates(metrics);
        states.Accept();
        var chunk = new TokenChunk { Text = "word", TokenCount = 1 };

        Run(); // The first token, and the first of each state.
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var token = 0; token < Tokens; token++) Run();

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
        record.ReceivedTokens.ShouldBe(Tokens + 1u);

        void Run()
        {
            record.TokensArrived(1, record.Clock.ElapsedMicroseconds, isReasoning: false);
            chunk.ElapsedUs = (ulong)record.Clock.ElapsedMicroseconds;
            chunk.Sequence++;
            states.Move(StreamState.Streaming);
            record.MessageSent(chunk);

            // A client that takes every message a little late.
            states.SetStalled(true);
            states.SetStalled(false);
        }
    }
}
