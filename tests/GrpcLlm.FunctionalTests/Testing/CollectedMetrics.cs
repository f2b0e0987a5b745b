using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using GrpcLlm.Server.Telemetry;
using Microsoft.Extensions.DependencyInjection;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>Adds up what one server's own instruments say, and keeps every measurement of its histograms.</summary>
internal sealed class CollectedMetrics : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, long> _sums = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<MeasuredValue> _measured = new();

    public CollectedMetrics(IServiceProvider services)
    {
        var scope = services.GetRequiredService<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == TelemetryNames.Meter && ReferenceEquals(instrument.Meter.Scope, scope))
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            var key = instrument.Name + string.Concat(tags.ToArray().Select(static tag => $" {tag.Key}={tag.Value}"));
            _sums.AddOrUpdate(key, value, (_, sum) => instrument.IsObservable ? value : sum + value);
            if (instrument is Histogram<long>) _measured.Enqueue(MeasuredValue.Of(instrument, value, tags));
        });
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
            _measured.Enqueue(MeasuredValue.Of(instrument, value, tags)));
        _listener.Start();
    }

    /// <summary>Streams in any state.</summary>
    public long Active
    {
        get
        {
            _listener.RecordObservableInstruments();
            return SumOf("grpcllm.streams.active");
        }
    }

    /// <summary>Streams in one state.</summary>
    public long ActiveIn(string state)
    {
        _listener.RecordObservableInstruments();
        return _sums.GetValueOrDefault($"grpcllm.streams.active state={state}");
    }

    /// <summary>Streams that ended so.</summary>
    public long Finished(string reason, string fault) =>
        _sums.GetValueOrDefault($"grpcllm.streams.finished reason={reason} fault={fault}");

    /// <summary>Streams that ended.</summary>
    public long AllFinished => SumOf("grpcllm.streams.finished");

    /// <summary>What a histogram was given so far, oldest first.</summary>
    public IReadOnlyList<MeasuredValue> Of(string instrument) => [.. _measured.Where(one => one.Instrument == instrument)];

    public void Dispose() => _listener.Dispose();

    private long SumOf(string instrument) =>
        _sums.Where(sum => sum.Key.StartsWith(instrument + " ", StringComparison.Ordinal)).Sum(static sum => sum.Value);
}

/// <summary>One measurement of a histogram.</summary>
internal sealed record MeasuredValue(string Instrument, double Value, IReadOnlyDictionary<string, object?> Tags)
{
    public static MeasuredValue Of(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        new(instrument.Name, value, tags.ToArray().ToDictionary(StringComparer.Ordinal));
}
