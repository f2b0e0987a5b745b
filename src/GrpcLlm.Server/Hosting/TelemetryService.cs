using System.Diagnostics.Metrics;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Telemetry.Prometheus;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

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
    private Task _ending = Task.CompletedTask;

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        _gauges = new OperationalGauges(
            metrics.Meter, queue, () => deployments.Current.Backends.Values.Select(static backend => backend.Pool));
        if (!OtlpSettings.IsDisabled(configuration)) _meters = BuildMeters();
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Exports what is left. Last of all: the drain is over and nothing listens any more.</summary>
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (_meters is not { } meters) return;

        // On a thread of its own, since it blocks.
        _ending = Task.Run(
            () =>
            {
                if (!meters.Shutdown((int)FlushTime.TotalMilliseconds)) NotFlushed(logger, FlushTime);
            },
            CancellationToken.None);
        await _ending;
    }

    /// <summary>Waits for nobody: a reader that is stuck in an export is left to its own timeout.</summary>
    public void Dispose()
    {
        if (_meters is { } meters) _ = _ending.ContinueWith(_ => meters.Dispose(), TaskScheduler.Default);
    }

    private MeterProvider BuildMeters()
    {
        var builder = Sdk.CreateMeterProviderBuilder()
            .ConfigureServices(services => services.AddSingleton(configuration))
            .SetResourceBuilder(ResourceOf())
            .AddMeter(TelemetryNames.Meter)
            .AddMeter(RuntimeMeters)
            .AddView(Restrict)
            .AddReader(new PrometheusReader(prometheus));
        var otlp = new OtlpSettings(configuration, "METRICS");
        if (otlp.IsEnabled) builder.AddOtlpExporter(otlp.Apply);
        return builder.Build();
    }

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
        Message = "The last metrics could not be exported within {Time}.")]
    private static partial void NotFlushed(ILogger logger, TimeSpan time);
}
