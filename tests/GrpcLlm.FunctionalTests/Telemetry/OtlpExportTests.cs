using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.FunctionalTests.Testing.Otlp;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>Export of metrics to a collector, by the standard environment variables, here as settings.</summary>
[Collection(HttpSpans.Name)]
public sealed class OtlpExportTests
{
    private const string Often = "OTEL_METRIC_EXPORT_INTERVAL=100";
    private const string Seldom = "OTEL_METRIC_EXPORT_INTERVAL=3600000";

    [Theory]
    [InlineData("grpc", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "application/grpc")]
    [InlineData("http/protobuf", "/v1/metrics", "application/x-protobuf")]
    public async Task Metrics_ArriveWithNamesUnitsAttributesAndBounds(string protocol, string path, string contentType)
    {
        await using var collector = await OtlpCollector.StartAsync();
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Text("a", "b"), Often, $"OTEL_EXPORTER_OTLP_PROTOCOL={protocol}",
            $"OTEL_EXPORTER_OTLP_ENDPOINT={(protocol == "grpc" ? collector.GrpcAddress : collector.HttpAddress)}",
            "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test,service.version=9");
        await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        var (resource, scope, metric) = await collector.NextMetricAsync("gen_ai.server.time_to_first_token");

        var (postedTo, postedAs) = await collector.Requests.Reader.ReadAsync(TestContext.Current.CancellationToken);
        postedTo.ShouldBe(path);
        postedAs.ShouldBe(contentType);
        var who = OtlpCollector.Read(resource.Resource.Attributes);
        who["service.name"].ShouldBe("grpcllm");
        who["service.version"].ShouldBe("9", "the environment wins");
        who["service.instance.id"].ShouldNotBeNullOrEmpty();
        who["deployment.environment.name"].ShouldBe("test");
        scope.Scope.Name.ShouldBe("GrpcLlm.Server");
        metric.Unit.ShouldBe("s");
        metric.Histogram.AggregationTemporality.ShouldBe(AggregationTemporality.Cumulative);
        var point = metric.Histogram.DataPoints.ShouldHaveSingleItem();
        point.Count.ShouldBe(1ul);
        point.ExplicitBounds.ShouldBe([0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]);
        OtlpCollector.Read(point.Attributes).ShouldBe(
            new Dictionary<string, string>
            {
                ["gen_ai.operation.name"] = "chat", ["gen_ai.provider.name"] = "grpcllm", ["gen_ai.request.model"] = "scripted",
                ["gen_ai.response.model"] = "scripted", ["server.address"] = "127.0.0.1", ["server.port"] = $"{server.Address.Port}",
            },
            ignoreOrder: true);
    }

    [Fact]
    public async Task EndpointAndProtocolOfTheSignal_ComeBeforeTheGeneralOnes()
    {
        await using var collector = await OtlpCollector.StartAsync();
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Text("a"), Often, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf",
            $"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT={collector.HttpAddress}v1/metrics", "OTEL_SERVICE_NAME=mine");

        var (resource, _, _) = await collector.NextMetricAsync("grpcllm.admission.queue.length");

        OtlpCollector.Read(resource.Resource.Attributes)["service.name"].ShouldBe("mine");
    }

    [Fact]
    public async Task Stop_ExportsWhatTheLastCallLeft()
    {
        await using var collector = await OtlpCollector.StartAsync();
        var backend = ScriptedBackend.Silent(Server.Backends.BackendEvent.TextDelta("word"));
        await using var server = await LlmServer.StartAsync(
            backend, Seldom, $"OTEL_EXPORTER_OTLP_ENDPOINT={collector.GrpcAddress}", "GrpcLlm:Shutdown:Grace=00:00:00");
        using var call = server.Client.Generate(
            new GenerateRequest { Prompt = "p" }, cancellationToken: TestContext.Current.CancellationToken);
        await backend.NextRunAsync();

        await server.StopAsync();

        var (_, _, metric) = await collector.NextMetricAsync("grpcllm.streams.finished");
        metric.Sum.IsMonotonic.ShouldBeTrue();
        var point = metric.Sum.DataPoints.ShouldHaveSingleItem();
        point.AsInt.ShouldBe(1);
        OtlpCollector.Read(point.Attributes).ShouldBe(
            new Dictionary<string, string> { ["reason"] = "draining", ["fault"] = "service" }, ignoreOrder: true);
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task Runtime_IsExportedToo()
    {
        await using var collector = await OtlpCollector.StartAsync();
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Text("a"), Often, $"OTEL_EXPORTER_OTLP_ENDPOINT={collector.GrpcAddress}");
        await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        foreach (var name in (string[])["dotnet.gc.collections", "http.server.request.duration", "kestrel.active_connections"])
            (await collector.NextMetricAsync(name)).Metric.Name.ShouldBe(name);
    }

    [Theory]
    [InlineData("grpc")]
    [InlineData("http/protobuf")]
    public async Task Collector_ThatIsAwayOrSilent_IsNoticedByNoCall(string protocol)
    {
        await using var silent = new SilentListener();
        foreach (var port in (int[])[9, silent.Port])
        {
            await using var server = await LlmServer.StartAsync(
                ScriptedBackend.Text("ok"), Often, $"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{port}",
                $"OTEL_EXPORTER_OTLP_PROTOCOL={protocol}", "OTEL_EXPORTER_OTLP_TIMEOUT=600000");
            if (port != 9) await silent.Accepted;

            for (var call = 0; call < 20; call++)
                (await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" })).Text.ShouldBe("ok");

            // It gives up the last export in good time.
            await server.StopAsync();
            server.Logs.Errors.ShouldBeEmpty();
        }
    }
}
