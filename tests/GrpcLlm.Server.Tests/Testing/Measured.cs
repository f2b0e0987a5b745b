using System.Diagnostics.Metrics;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>Instruments of one test, and all that they were given.</summary>
internal sealed class Measured : IDisposable
{
    private readonly FakeMeterFactory _meters = new();
    private readonly MeterListener _listener = new();
    private readonly List<Measurement> _all = [];

    public Measured()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (!ReferenceEquals(instrument.Meter.Scope, _meters)) return;
            Instruments.Add(instrument);
            listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
        Metrics = new ServerMetrics(_meters);
    }

    public ServerMetrics Metrics { get; }

    /// <summary>Everything that was created.</summary>
    public List<Instrument> Instruments { get; } = [];

    /// <summary>What an instrument was given so far, as <c>value key=value …</c>, keys in alphabetical order.</summary>
    public IReadOnlyList<string> Of(string instrument) =>
        [.. _all.Where(one => one.Instrument == instrument).Select(static one => FormattableString.Invariant($"{one.Value}{one.Tags}"))];

    /// <summary>Sums of a counter or gauge by its tags, without those at zero.</summary>
    public IReadOnlyDictionary<string, double> SumsOf(string instrument) => _all
        .Where(one => one.Instrument == instrument).GroupBy(static one => one.Tags.Trim(), StringComparer.Ordinal)
        .Select(static series => KeyValuePair.Create(series.Key, series.Sum(static one => one.Value)))
        .Where(static series => series.Value != 0).ToDictionary(StringComparer.Ordinal);

    /// <summary>Asks the observable instruments; what was measured before is forgotten.</summary>
    public void Observe()
    {
        _all.Clear();
        _listener.RecordObservableInstruments();
    }

    public void Dispose()
    {
        _listener.Dispose();
        _meters.Dispose();
    }

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        _all.Add(new Measurement(instrument.Name, value, string.Concat(tags.ToArray()
            .OrderBy(static tag => tag.Key, StringComparer.Ordinal).Select(static tag => $" {tag.Key}={tag.Value}"))));

    private sealed record Measurement(string Instrument, double Value, string Tags);
}
