using GrpcLlm.Server.Hosting;
using Microsoft.Extensions.Configuration;
using OpenTelemetry.Exporter;

namespace GrpcLlm.Server.Tests.Hosting;

public sealed class OtlpSettingsTests
{
    private const string Endpoint = "http://collector:4317/";

    [Theory]
    [InlineData(false)]
    [InlineData(true, "OTEL_EXPORTER_OTLP_ENDPOINT=" + Endpoint)]
    [InlineData(true, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=" + Endpoint)]
    [InlineData(false, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + Endpoint)]
    [InlineData(false, "OTEL_EXPORTER_OTLP_ENDPOINT=")]
    [InlineData(false, "OTEL_EXPORTER_OTLP_ENDPOINT=" + Endpoint, "OTEL_METRICS_EXPORTER=none")]
    [InlineData(true, "OTEL_EXPORTER_OTLP_ENDPOINT=" + Endpoint, "OTEL_TRACES_EXPORTER=none")]
    [InlineData(false, "OTEL_EXPORTER_OTLP_ENDPOINT=" + Endpoint, "OTEL_SDK_DISABLED=true")]
    [InlineData(true, "OTEL_EXPORTER_OTLP_ENDPOINT=" + Endpoint, "OTEL_SDK_DISABLED=false")]
    public void Export_IsOnWhereAnEndpointIsSet(bool isEnabled, params string[] settings) =>
        new OtlpSettings(Configuration(settings), "METRICS").IsEnabled.ShouldBe(isEnabled);

    [Fact]
    public void SettingsOfTheSignal_ComeBeforeTheGeneralOnes()
    {
        var options = new OtlpExporterOptions();

        new OtlpSettings(
            Configuration(
                "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://own:4318/v1/metrics", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf",
                "OTEL_EXPORTER_OTLP_METRICS_HEADERS=a=b", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT=1500"),
            "METRICS").Apply(options);

        options.Endpoint.ShouldBe(new Uri("http://own:4318/v1/metrics"));
        options.Protocol.ShouldBe(OtlpExportProtocol.HttpProtobuf);
        options.Headers.ShouldBe("a=b");
        options.TimeoutMilliseconds.ShouldBe(1500);
    }

    [Fact]
    public void SettingsOfTheSignal_NotThere_ChangeNothing()
    {
        var options = new OtlpExporterOptions { Headers = "kept", TimeoutMilliseconds = 7, Protocol = OtlpExportProtocol.HttpProtobuf };

        new OtlpSettings(Configuration("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=9", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT=x"), "METRICS").Apply(options);

        options.Headers.ShouldBe("kept");
        options.TimeoutMilliseconds.ShouldBe(7);
        options.Protocol.ShouldBe(OtlpExportProtocol.HttpProtobuf);
    }

    private static IConfiguration Configuration(params string[] settings) => new ConfigurationBuilder()
        .AddInMemoryCollection(settings.Select(static setting => setting.Split('=', 2))
            .Select(static pair => KeyValuePair.Create<string, string?>(pair[0], pair[1])))
        .Build();
}
