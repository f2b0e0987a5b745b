using System.Diagnostics;
using System.Diagnostics.Metrics;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Telemetry;

/// <summary>The client's spans and histograms. Thread-safe; free while nobody listens.</summary>
internal sealed class ClientInstruments
{
    private static readonly string Version = typeof(ClientInstruments).Assembly.GetName().Version?.ToString(3) ?? "";

    private static readonly ActivitySource Source = new(
        new ActivitySourceOptions(GrpcLlmTelemetry.ActivitySourceName) { Version = Version, TelemetrySchemaUrl = GenAiNames.SchemaUrl });

    private static readonly Meter SharedMeter = new(Options());

    // Boxed once, not per measurement.
    private readonly object? _port;
    private readonly string? _host;

    /// <param name="meterFactory">Makes the meter; null: the one of the process.</param>
    /// <param name="time">Clock of all durations.</param>
    /// <param name="address">Address of the service, if known.</param>
    public ClientInstruments(IMeterFactory? meterFactory, TimeProvider time, Uri? address)
    {
        var meter = meterFactory?.Create(Options()) ?? SharedMeter;
        Duration = Seconds(meter, GenAiNames.OperationDuration, "Generations, from their start to their end.");
        FirstChunk = Seconds(meter, GenAiNames.TimeToFirstChunk, "From the start of a generation to its first chunk.");
        OutputChunk = Seconds(meter, GenAiNames.TimePerOutputChunk, "From one chunk to the next.");
        TokenUsage = meter.CreateHistogram(
            GenAiNames.TokenUsage, "{token}", "Tokens of a generation, by input and output.", tags: null,
            new InstrumentAdvice<long> { HistogramBucketBoundaries = GenAiNames.Tokens });
        Time = time;
        _host = address?.Host;
        _port = address?.Port;
    }

    public TimeProvider Time { get; }

    public Histogram<double> Duration { get; }

    public Histogram<double> FirstChunk { get; }

    public Histogram<double> OutputChunk { get; }

    public Histogram<long> TokenUsage { get; }

    private bool HasListeners =>
        Source.HasListeners() || Duration.Enabled || FirstChunk.Enabled || OutputChunk.Enabled || TokenUsage.Enabled;

    /// <summary>Begins to watch a generation; its span becomes the current one, so that the call carries its context.</summary>
    /// <returns>Null if nobody listens.</returns>
    public GenerationObserver? Observe(GenerateRequest request)
    {
        if (!HasListeners) return null;
        var tags = new TagList
        {
            { GenAiNames.OperationName, GenAiNames.Chat },
            { GenAiNames.ProviderName, GenAiNames.Provider },
        };
        if (request.Model.Length > 0) tags.Add(GenAiNames.RequestModel, request.Model);
        if (_host is not null)
        {
            tags.Add(GenAiNames.ServerAddress, _host);
            tags.Add(GenAiNames.ServerPort, _port);
        }

        var name = request.Model.Length > 0 ? $"{GenAiNames.Chat} {request.Model}" : GenAiNames.Chat;
        var activity = Source.StartActivity(ActivityKind.Client, tags: tags, name: name);
        activity?.SetTag(GenAiNames.RequestStream, true).SetTag(GenAiNames.RequestId, request.RequestId);
        return new GenerationObserver(this, tags, activity);
    }

    private static MeterOptions Options() =>
        new(GrpcLlmTelemetry.MeterName) { Version = Version, TelemetrySchemaUrl = GenAiNames.SchemaUrl };

    private static Histogram<double> Seconds(Meter meter, string name, string description) => meter.CreateHistogram(
        name, "s", description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = GenAiNames.Seconds });
}
