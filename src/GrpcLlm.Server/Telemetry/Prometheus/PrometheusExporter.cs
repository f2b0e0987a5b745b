using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace GrpcLlm.Server.Telemetry.Prometheus;

/// <summary>Connects the exporter with the SDK.</summary>
internal sealed class PrometheusReader : BaseExportingMetricReader
{
    public PrometheusReader(PrometheusExporter exporter)
        : base(exporter) => TemporalityPreference = MetricReaderTemporalityPreference.Cumulative;

    /// <summary>A last collection, as for exporters that push, would fail: nobody asks for it.</summary>
    protected override bool OnShutdown(int timeoutMilliseconds) => true;
}

/// <summary>
/// Hands out the SDK's metrics when Prometheus asks. Takes the place of OpenTelemetry.Exporter.Prometheus.AspNetCore, which
/// not every registry serves; only TelemetryService and the page know it. Thread-safe.
/// </summary>
[ExportModes(ExportModes.Pull)]
internal sealed class PrometheusExporter : BaseExporter<Metric>, IPullMetricExporter
{
    // Never disposed: scrapes may still come in while the server goes, and it holds nothing.
    private readonly SemaphoreSlim _gate = new(1);
    private readonly (long Number, string Text)[] _last = new (long, string)[Enum.GetValues<PrometheusFormat>().Length];
    private long _begun;
    private PrometheusText? _writer;
    private string? _written;

    /// <summary>Starts a collection; set by the reader.</summary>
    public Func<int, bool>? Collect { get; set; }

    /// <summary>
    /// The metrics as of now. Scrapes that come while another one is served share the next one, so their number costs
    /// nothing.
    /// </summary>
    /// <returns>Null: there was nothing to collect, since the server is going.</returns>
    public async Task<string?> ScrapeAsync(PrometheusFormat format, CancellationToken cancellationToken)
    {
        var seen = Volatile.Read(ref _begun);
        await _gate.WaitAsync(cancellationToken);
        try
        {
            // One that began after this scrape came tells nothing older than it wants.
            var last = _last[(int)format];
            if (last.Number > seen) return last.Text;
            var number = Interlocked.Increment(ref _begun);
            _writer = new PrometheusText(format);
            _written = null;
            if (Collect?.Invoke(Timeout.Infinite) != true || _written is not { } text) return null;
            _last[(int)format] = (number, text);
            return text;
        }
        finally
        {
            _writer = null;
            _gate.Release();
        }
    }

    /// <summary>Called by the reader during a collection; one that no scrape asked for is not written.</summary>
    public override ExportResult Export(in Batch<Metric> batch)
    {
        if (_writer is not { } writer) return ExportResult.Success;
        var metrics = new List<Metric>();
        foreach (var metric in batch) metrics.Add(metric);
        _written = writer.Write(metrics, ParentProvider.GetResource());
        return ExportResult.Success;
    }
}
