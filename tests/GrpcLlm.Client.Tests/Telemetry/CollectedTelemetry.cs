using System.Diagnostics;
using System.Diagnostics.Metrics;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Client.Tests.Telemetry;

/// <summary>A measurement and its tags.</summary>
internal sealed record Measurement(string Name, double Value, IReadOnlyDictionary<string, object?> Tags);

/// <summary>The client's spans and measurements of one test.</summary>
internal sealed class CollectedTelemetry : IDisposable
{
    private readonly ActivityListener _activities;
    private readonly MeterListener _measurements = new();

    public CollectedTelemetry()
    {
        _activities = new ActivityListener
        {
            ShouldListenTo = static source => source.Name == GrpcLlmTelemetry.ActivitySourceName,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = Spans.Add,
        };
        ActivitySource.AddActivityListener(_activities);

        _measurements.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope != Meters) return;
            Instruments.Add(instrument);
            listener.EnableMeasurementEvents(instrument);
        };
        _measurements.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _measurements.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _measurements.Start();
    }

    public FakeMeterFactory Meters { get; } = new();

    public List<Activity> Spans { get; } = [];

    public List<Instrument> Instruments { get; } = [];

    public List<Measurement> Measurements { get; } = [];

    public IEnumerable<Measurement> Of(string name) => Measurements.Where(measurement => measurement.Name == name);

    public void Dispose()
    {
        _activities.Dispose();
        _measurements.Dispose();
        Meters.Dispose();
    }

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        Measurements.Add(new Measurement(instrument.Name, value, new Dictionary<string, object?>(tags.ToArray())));
}
