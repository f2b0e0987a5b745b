using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using GrpcLlm.Server.Telemetry;
using Microsoft.Extensions.DependencyInjection;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>Adds up what one server's own instruments say.</summary>
internal sealed class CollectedMetrics : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, long> _sums = new(StringComparer.Ordinal);

    public CollectedMetrics(IServiceProvider services)
    {
        var scope = services.GetRequiredService<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == ServerMetrics.MeterName && ReferenceEquals(instrument.Meter.Scope, scope))
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            var key = instrument.Name + string.Concat(tags.ToArray().Select(static tag => $" {tag.Key}={tag.Value}"));
            _sums.AddOrUpdate(key, value, (_, sum) => sum + value);
        });
        _listener.Start();
    }

    /// <summary>Streams in any state.</summary>
    public long Active => _sums.Where(static sum => sum.Key.StartsWith("grpcllm.streams.active", StringComparison.Ordinal)).Sum(static sum => sum.Value);

    /// <summary>Streams in one state.</summary>
    public long ActiveIn(string state) => _sums.GetValueOrDefault($"grpcllm.streams.active state={state}");

    /// <summary>Streams that ended so.</summary>
    public long Finished(string reason, string fault) =>
        _sums.GetValueOrDefault($"grpcllm.streams.finished reason={reason} fault={fault}");

    /// <summary>Streams that ended.</summary>
    public long AllFinished => _sums.Where(static sum => sum.Key.StartsWith("grpcllm.streams.finished", StringComparison.Ordinal)).Sum(static sum => sum.Value);

    public void Dispose() => _listener.Dispose();
}
