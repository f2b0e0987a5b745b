using OpenTelemetry.Exporter;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// Export by OTLP of one signal, by the standard environment variables: on only where an endpoint is set, and not at all
/// with OTEL_SDK_DISABLED. What is set for the signal comes before what is set for all. The SDK itself would take
/// localhost:4317 for a default, and of the signals' own variables reads none.
/// </summary>
/// <param name="configuration">Holds the environment; the command line too.</param>
/// <param name="signal"><c>METRICS</c> or <c>TRACES</c>.</param>
internal sealed class OtlpSettings(IConfiguration configuration, string signal)
{
    private const string All = "OTEL_EXPORTER_OTLP_";

    /// <summary>Whether telemetry is switched off altogether.</summary>
    public static bool IsDisabled(IConfiguration configuration) =>
        bool.TryParse(configuration["OTEL_SDK_DISABLED"], out var disabled) && disabled;

    /// <summary>Whether the signal is exported.</summary>
    public bool IsEnabled => !IsDisabled(configuration)
        && (configuration[All + "ENDPOINT"] is { Length: > 0 } || Own("ENDPOINT") is { Length: > 0 })
        && configuration[$"OTEL_{signal}_EXPORTER"] is not "none";

    /// <summary>Puts the signal's own variables over what the SDK read of the general ones.</summary>
    public void Apply(OtlpExporterOptions options)
    {
        if (Own("PROTOCOL") is { Length: > 0 } protocol)
            options.Protocol = protocol == "grpc" ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
        if (Own("ENDPOINT") is { Length: > 0 } endpoint && Uri.TryCreate(endpoint, UriKind.Absolute, out var url))
            options.Endpoint = url;
        if (Own("HEADERS") is { Length: > 0 } headers) options.Headers = headers;
        if (int.TryParse(Own("TIMEOUT"), out var milliseconds) && milliseconds > 0) options.TimeoutMilliseconds = milliseconds;
    }

    private string? Own(string name) => configuration[$"{All}{signal}_{name}"];
}
