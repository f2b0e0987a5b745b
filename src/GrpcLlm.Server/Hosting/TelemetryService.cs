using System.Diagnostics.Metrics;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Telemetry.Prometheus;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// Runs the OpenTelemetry SDK: from before the endpoints listen until everything else has stopped, so that the last call
/// is told of too. Export runs on threads of its own; a collector that is slow or away is never noticed by a call.
/// Takes the place of OpenTelemetry.Extensions.Hosting, which not every registry serves.
/// </summary>
internal sealed partial class TelemetryService(
    IConfiguration configuration, IMeterFactory meterFactory, ServerMetrics metrics, AdmissionQueue queue,
    Deployments deployments, PrometheusExporter prometheus, ILogger<TelemetryService> logger)
    : IHostedLifecycleService, IDisposable
{
    /// <summary>Longest wait for the last export; then what is left is lost.</summary>
    public static readonly TimeSpan FlushTime = TimeSpan.FromSeconds(3);

    /// <summary>Meters of the runtime that are exported beside our own. Their tags are bounded, but for the one below.</summary>
    private static readonly string[] RuntimeMeters =
    [
        "System.Runtime", "System.Net.Http", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel",
    ];

    private OperationalGauges? _gauges;
    private MeterProvider? _meters;
    private TracerProvider? _traces;
    private Task _ending = Task.CompletedTask;

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        _gauges = new OperationalGauges(
            metrics.Meter, queue, () => deployments.Current.Backends.Values.Select(static backend => backend.Pool));
        if (!OtlpSettings.IsDisabled(configuration)) _meters = BuildMeters();

        // Without an exporter nobody listens, and spans are not even made.
        var otlp = new OtlpSettings(configuration, "TRACES");
        if (otlp.IsEnabled) _traces = BuildTraces(otlp);
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Exports what is left. Last of all: the drain is over and nothing listens any more.</summary>
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        // On a thread of their own, since they block.
        _ending = Task.WhenAll(
            ShutDownAsync("spans", _traces is { } traces ? traces.Shutdown : null),
            ShutDownAsync("metrics", _meters is { } meters ? meters.Shutdown : null));
        await _ending;
    }

    /// <summary>Waits for nobody: what is stuck in an export is left to its own timeout.</summary>
    public void Dispose() => _ = _ending.ContinueWith(
        _ =>
        {
            _traces?.Dispose();
            _meters?.Dispose();
        },
        TaskScheduler.Default);

    private Task ShutDownAsync(string signal, Func<int, bool>? shutDown) => shutDown is null
        ? Task.CompletedTask
        : Task.Run(
            () =>
            {
                if (!shutDown((int)FlushTime.TotalMilliseconds)) NotFlushed(logger, signal, FlushTime);
            },
            CancellationToken.None);

    private MeterProvider BuildMeters()
    {
        var builder = Sdk.CreateMeterProviderBuilder()
            .ConfigureServices(services => services.AddSingleton(configuration))
            .SetResourceBuilder(ResourceOf())
            .AddMeter(TelemetryNames.Meter)
            .AddMeter(RuntimeMeters)
            .AddView(Restrict)
            .SetExemplarFilter(ExemplarFilterType.TraceBased)
            .AddReader(new PrometheusReader(prometheus));
        var otlp = new OtlpSettings(configuration, "METRICS");
        if (otlp.IsEnabled) builder.AddOtlpExporter(otlp.Apply);
        return builder.Build();
    }

    /// <summary>Spans of calls, of attempts and of HTTP requests to upstreams.</summary>
    private TracerProvider BuildTraces(OtlpSettings otlp) => Sdk.CreateTracerProviderBuilder()
        .ConfigureServices(services => services.AddSingleton(configuration))
        .SetResourceBuilder(ResourceOf())
        .AddSource(SpanNames.SourceName, SpanNames.HostSourceName, SpanNames.HttpSourceName)
        .AddOtlpExporter(otlp.Apply)
        .Build();

    /// <summary>Who tells: variables of the environment come last, so they win.</summary>
    private static ResourceBuilder ResourceOf() => ResourceBuilder.CreateEmpty()
        .AddService(TelemetryNames.Service, serviceVersion: typeof(TelemetryService).Assembly.GetName().Version?.ToString(3))
        .AddTelemetrySdk()
        .AddEnvironmentVariableDetector();

    /// <summary>
    /// Keeps out what belongs to another server in this process, and the address of the upstream's machine, of which a
    /// provider behind a name has any number.
    /// </summary>
    private MetricStreamConfiguration? Restrict(Instrument instrument)
    {
        if (instrument.Meter.Scope is IMeterFactory other && !ReferenceEquals(other, meterFactory)) return MetricStreamConfiguration.Drop;
        return instrument.Name is "http.client.open_connections" or "http.client.connection.duration"
            ? new MetricStreamConfiguration
            {
                TagKeys = ["http.connection.state", "network.protocol.version", "server.address", "server.port", "url.scheme"],
            }
            : null;
    }

    [LoggerMessage(EventId = 40, EventName = "TelemetryNotFlushed", Level = LogLevel.Warning,
        Message = "The last {Signal} could not be exported within {Time}.")]
    private static partial void NotFlushed(ILogger logger, string signal, TimeSpan time);
}
