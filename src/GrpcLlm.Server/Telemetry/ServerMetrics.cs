using System.Diagnostics;
using System.Diagnostics.Metrics;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;
using Names = GrpcLlm.Server.Telemetry.TelemetryNames;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// The service's own instruments. A call is measured at its first token and at its end, never per token. Attributes hold configured names and fixed words only, so their number is bounded whatever callers send: no
/// labels, no request ids, no names of models that are not routed. Thread-safe; free when nobody listens.
/// </summary>
internal sealed class ServerMetrics
{
    /// <summary>Most names of models that upstreams may tell; see <see cref="BoundedNames"/>.</summary>
    public const int MaxResponseModels = 200;

    private static readonly KeyValuePair<string, object?>[] StateTags =
    [
        new(Names.State, "queued"), new(Names.State, "waiting_for_first_token"), new(Names.State, "streaming"),
        new(Names.State, "stalled"),
    ];

    // Read when somebody collects. A client that reads as fast as it can still stalls many times a second, and a measurement
    // for each change cost a fifth of the throughput at full flood.
    private readonly long[] _active = new long[StateTags.Length];
    private readonly Counter<long> _finished;
    private readonly Counter<long> _rejected;
    private readonly Counter<long> _tokens;
    private readonly Histogram<double> _requestDuration;
    private readonly Histogram<double> _timeToFirstToken;
    private readonly Histogram<double> _timePerOutputToken;
    private readonly Histogram<double> _clientStall;
    private readonly Histogram<double> _overhead;
    private readonly UpstreamMetrics _upstream;

    public ServerMetrics(IMeterFactory meterFactory)
    {
        Meter = meterFactory.Create(new MeterOptions(Names.Meter)
        {
            Version = typeof(ServerMetrics).Assembly.GetName().Version?.ToString(3), TelemetrySchemaUrl = Names.SchemaUrl,
        });
        Meter.CreateObservableUpDownCounter(
            Names.StreamsActive, ObserveActive, "{stream}", "Generations that run now, by state.");
        _finished = Meter.CreateCounter<long>(
            Names.StreamsFinished, "{stream}", "Generations that ended, by reason and by whose fault.");
        _rejected = Meter.CreateCounter<long>(
            Names.StreamsRejected, "{stream}", "Generations that were refused before any backend was asked, by reason.");
        _tokens = Meter.CreateCounter<long>(
            Names.Tokens, "{token}", "Tokens of answers and of their input, by how they were counted.");
        _requestDuration = Seconds(
            Meter, Names.RequestDuration, Names.DurationBounds, "From the acceptance of a generation to its end.");
        _timeToFirstToken = Seconds(
            Meter, Names.TimeToFirstToken, Names.FirstTokenBounds,
            "From the acceptance of a generation to its first token, handed to the transport.");
        _timePerOutputToken = Seconds(
            Meter, Names.TimePerOutputToken, Names.OutputTokenBounds,
            "Time per output token after the first, of a generation that succeeded.");
        _clientStall = Seconds(
            Meter, Names.ClientStall, Names.StallBounds, "Time of a generation in which output was ready and its client did not read.");
        _overhead = Seconds(
            Meter, Names.Overhead, Names.OwnTimeBounds,
            "Time of a generation that this service spent itself: neither queue, nor backend, nor client.");
        _upstream = new UpstreamMetrics(Meter);
    }

    /// <summary>The meter of all own instruments.</summary>
    public Meter Meter { get; }

    /// <summary>Generations that are in a state now.</summary>
    public long StreamsIn(StreamState state) => Volatile.Read(ref _active[(int)state]);

    /// <summary>A generation was accepted.</summary>
    public void StreamAccepted(StreamState state) => Interlocked.Increment(ref _active[(int)state]);

    /// <summary>A generation went from one state to another.</summary>
    public void StreamMoved(StreamState from, StreamState to)
    {
        if (from == to) return;
        Interlocked.Decrement(ref _active[(int)from]);
        Interlocked.Increment(ref _active[(int)to]);
    }

    /// <summary>A generation is no longer there.</summary>
    public void StreamLeft(StreamState last) => Interlocked.Decrement(ref _active[(int)last]);

    /// <summary>A generation's first token was handed to the transport.</summary>
    public void FirstTokenSent(GenerationRecord record)
    {
        if (!_timeToFirstToken.Enabled || record.FirstTokenSentMicroseconds is not { } microseconds) return;
        _timeToFirstToken.Record(ToSeconds(microseconds), ServerTags(record));
    }

    /// <summary>A generation ended; called exactly once for each.</summary>
    public void CallEnded(GenerationRecord record)
    {
        var failed = record.ErrorReason != ErrorReason.Unspecified;
        _finished.Add(
            1,
            new(Names.Reason, failed ? Names<ErrorReason>.LowerOf(record.ErrorReason) : ErrorTable.NameOf(record.FinishReason)),
            new(Names.FaultOf, ErrorTable.NameOf(ErrorTable.FaultOf(record.ErrorReason))));
        if (failed && record.Attempts.Count == 0 && IsRejection(record.ErrorReason)) CountRejection(record);

        var timing = record.FinalTiming;
        var tags = ServerTags(record);
        if (timing.HasTpotUs && !failed) _timePerOutputToken.Record(timing.TpotUs / 1e6, tags);
        if (failed) tags.Add(Names.ErrorType, ErrorTable.NameOf(record.ErrorReason));
        _requestDuration.Record(ToSeconds(timing.TotalUs), tags);

        var model = new KeyValuePair<string, object?>(Names.RequestModel, record.ModelName);
        _overhead.Record(ToSeconds(timing.OverheadUs), model);
        if (record.Delivered) _clientStall.Record(ToSeconds(timing.ClientStallUs), model);
        CountTokens(record);
        _upstream.CallEnded(record);
    }

    internal static Histogram<double> Seconds(Meter meter, string name, double[] bounds, string description) =>
        meter.CreateHistogram(
            name, "s", description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });

    internal static double ToSeconds(double microseconds) => microseconds / 1e6;

    /// <summary>Whether a call that failed so, before any attempt, was turned away rather than stopped.</summary>
    private static bool IsRejection(ErrorReason reason) => reason is
        ErrorReason.InvalidRequest or ErrorReason.ModelNotFound or ErrorReason.Unauthenticated or ErrorReason.ModelForbidden
        or ErrorReason.QuotaExceeded or ErrorReason.Overloaded or ErrorReason.Draining;

    private static TagList ServerTags(GenerationRecord record)
    {
        var tags = new TagList
        {
            { Names.OperationName, Names.Chat },
            { Names.ProviderName, Names.Provider },
            { Names.RequestModel, record.ModelName },
        };

        // As clients know it: which model of which upstream answered is in the client's part.
        if (record.Model.Length > 0) tags.Add(Names.ResponseModel, record.Model);
        if (record.LocalAddress is { } address)
        {
            tags.Add(Names.ServerAddress, address);
            tags.Add(Names.ServerPort, record.LocalPort);
        }

        return tags;
    }

    private IEnumerable<Measurement<long>> ObserveActive() =>
        StateTags.Select((tag, state) => new Measurement<long>(Volatile.Read(ref _active[state]), tag));

    private void CountRejection(GenerationRecord record)
    {
        var tags = new TagList { { Names.Reason, Names<ErrorReason>.LowerOf(record.ErrorReason) } };
        AddTenant(ref tags, record);
        _rejected.Add(1, tags);
    }

    private void CountTokens(GenerationRecord record)
    {
        if (!_tokens.Enabled) return;
        var usage = record.FinalUsage;
        if (usage.InputTokens > 0) CountTokens(record, Names.Input, usage.InputTokens, TokenCounts.InputSourceOf(usage));
        if (usage.OutputTokens > 0) CountTokens(record, Names.Output, usage.OutputTokens, usage.Source);
    }

    private void CountTokens(GenerationRecord record, string type, uint count, UsageSource source)
    {
        var tags = new TagList
        {
            { Names.TokenType, type },
            { Names.RequestModel, record.ModelName },
            { Names.Source, Names<UsageSource>.LowerOf(source) },
        };
        AddTenant(ref tags, record);
        _tokens.Add(count, tags);
    }

    private static void AddTenant(ref TagList tags, GenerationRecord record)
    {
        if (record.Tenant.Name.Length > 0) tags.Add(Names.Tenant, record.Tenant.Name);
    }
}
