using System.Diagnostics;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.FunctionalTests.Testing.Otlp;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>Export of spans to a collector, by the standard environment variables, here as settings.</summary>
[Collection(HttpSpans.Name)]
public sealed class OtlpSpansTests
{
    private const string Often = "OTEL_BSP_SCHEDULE_DELAY=50";

    [Theory]
    [InlineData("grpc")]
    [InlineData("http/protobuf")]
    public async Task Spans_OfCallAndAttempt_ArriveInTheCallersTrace(string protocol)
    {
        var trace = ActivityTraceId.CreateRandom();
        await using var collector = await OtlpCollector.StartAsync();
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Text("a", "b"), Often, "OTEL_METRICS_EXPORTER=none", $"OTEL_EXPORTER_OTLP_PROTOCOL={protocol}",
            $"OTEL_EXPORTER_OTLP_ENDPOINT={(protocol == "grpc" ? collector.GrpcAddress : collector.HttpAddress)}");
        var metadata = new Metadata { { "traceparent", $"00-{trace}-b7ad6b7169203331-01" } };

        using var call = server.Client.Generate(
            new GenerateRequest { Prompt = "p" }, metadata, cancellationToken: TestContext.Current.CancellationToken);
        while (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken))
        {
            // To its end.
        }

        var spans = await NextSpansAsync(collector, trace, count: 2);
        var generate = spans.Single(static span => span.Name == "grpcllm.v1.GenerationService/Generate");
        generate.Kind.ShouldBe(Span.Types.SpanKind.Server);
        Convert.ToHexStringLower(generate.ParentSpanId.Span).ShouldBe("b7ad6b7169203331");
        var attempt = spans.Single(static span => span.Name == "chat scripted");
        attempt.ParentSpanId.ShouldBe(generate.SpanId);
        OtlpCollector.Read(attempt.Attributes)[TelemetryNames.RequestModel].ShouldBe("scripted");
    }

    [Fact]
    public async Task TracesExporterNone_SendsNoSpanAndMakesNone()
    {
        await using var collector = await OtlpCollector.StartAsync();
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Text("a"), Often, "OTEL_METRIC_EXPORT_INTERVAL=100", "OTEL_TRACES_EXPORTER=none",
            $"OTEL_EXPORTER_OTLP_ENDPOINT={collector.GrpcAddress}");
        await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });
        await collector.NextMetricAsync("grpcllm.streams.finished");

        await server.StopAsync();

        collector.WaitingTraces.ShouldBe(0, "the last exports are through");
    }

    /// <summary>The spans of a trace: sources of spans are the process's, so those of other tests come as well.</summary>
    private static async Task<List<Span>> NextSpansAsync(OtlpCollector collector, ActivityTraceId trace, int count)
    {
        var spans = new List<Span>();
        while (spans.Count < count)
        {
            spans.AddRange((await collector.NextTracesAsync()).ResourceSpans
                .SelectMany(static resource => resource.ScopeSpans).SelectMany(static scope => scope.Spans)
                .Where(span => Convert.ToHexStringLower(span.TraceId.Span) == trace.ToHexString()));
        }

        return spans;
    }
}
