using System.Diagnostics;
using System.Diagnostics.Metrics;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;
using Names = GrpcLlm.Server.Telemetry.TelemetryNames;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// The instruments towards the upstreams: each attempt of a call is measured on its own, when the call ends. Thread-safe.
/// </summary>
internal sealed class UpstreamMetrics
{
    private readonly Histogram<double> _operationDuration;
    private readonly Histogram<double> _timeToFirstChunk;
    private readonly Histogram<double> _timePerOutputChunk;
    private readonly Histogram<double> _cancelLatency;
    private readonly Histogram<long> _tokenUsage;
    private readonly Counter<long> _attempts;
    private readonly BoundedNames _responseModels = new(ServerMetrics.MaxResponseModels);

    public UpstreamMetrics(Meter meter)
    {
        _operationDuration = ServerMetrics.Seconds(
            meter, Names.OperationDuration, Names.DurationBounds, "From the start of an attempt to the end of its stream.");
        _timeToFirstChunk = ServerMetrics.Seconds(
            meter, Names.TimeToFirstChunk, Names.DurationBounds, "From the start of an attempt to its first token.");
        _timePerOutputChunk = ServerMetrics.Seconds(
            meter, Names.TimePerOutputChunk, Names.DurationBounds,
            "Time between the upstream's chunks after the first: the mean of an attempt.");
        _cancelLatency = ServerMetrics.Seconds(
            meter, Names.UpstreamCancelLatency, Names.OwnTimeBounds, "From a reason to stop to the closed upstream.");
        _tokenUsage = meter.CreateHistogram(
            Names.TokenUsage, "{token}", "Tokens that an upstream reported, or that were counted with its tokenizer.", tags: null,
            new InstrumentAdvice<long> { HistogramBucketBoundaries = Names.TokenBounds });
        _attempts = meter.CreateCounter<long>(
            Names.UpstreamAttempts, "{attempt}", "Attempts at backends, by outcome.");
    }

    /// <summary>Measures all attempts of a call that ended.</summary>
    public void CallEnded(GenerationRecord record)
    {
        for (var index = 0; index < record.Attempts.Count; index++)
            AttemptEnded(record, record.Attempts[index], record.Upstreams[index]);
        if (record.CancelLatencyMicroseconds is { } latency)
            _cancelLatency.Record(ServerMetrics.ToSeconds(latency), new KeyValuePair<string, object?>(Names.Backend, record.Backend));
    }

    private void AttemptEnded(GenerationRecord record, Attempt attempt, UpstreamIdentity upstream)
    {
        var served = attempt.Outcome == AttemptOutcome.Served;
        var error = ErrorOf(record, attempt);
        var counted = new TagList { { Names.Backend, upstream.Backend }, { Names.Outcome, Names<AttemptOutcome>.LowerOf(attempt.Outcome) } };
        if (error is not null) counted.Add(Names.ErrorType, error);
        _attempts.Add(1, counted);

        var tags = new TagList
        {
            { Names.OperationName, Names.Chat },
            { Names.ProviderName, upstream.Provider },
            { Names.RequestModel, upstream.Model },
        };
        if (served && record.Opening.Model.Length > 0) tags.Add(Names.ResponseModel, _responseModels.Of(record.Opening.Model));
        if (upstream.Address is not null)
        {
            tags.Add(Names.ServerAddress, upstream.Address);
            tags.Add(Names.ServerPort, upstream.Port);
        }

        if (attempt.Usage is { } usage) CountTokens(usage, tags);
        if (served && record.FinalTiming.HasUpstreamFirstTokenUs)
            _timeToFirstChunk.Record(ServerMetrics.ToSeconds(record.FinalTiming.UpstreamFirstTokenUs), tags);
        if (served && record.MeanChunkGapMicroseconds is { } gap)
            _timePerOutputChunk.Record(ServerMetrics.ToSeconds(gap), tags);
        if (error is not null) tags.Add(Names.ErrorType, error);
        _operationDuration.Record(ServerMetrics.ToSeconds(attempt.DurationUs), tags);
    }

    /// <summary>Tokens that nobody counted are left out: the conventions forbid to report an estimate.</summary>
    private void CountTokens(Usage usage, TagList tags)
    {
        if (!_tokenUsage.Enabled) return;
        tags.Add(Names.TokenType, Names.Input);
        if (usage.HasInputTokens && TokenCounts.IsCount(TokenCounts.InputSourceOf(usage)))
            _tokenUsage.Record(usage.InputTokens, tags);
        tags[^1] = new KeyValuePair<string, object?>(Names.TokenType, Names.Output);
        if (TokenCounts.IsCount(usage.Source)) _tokenUsage.Record(usage.OutputTokens, tags);
    }

    /// <summary>Why an attempt did not succeed; null: it did. One that served may still have broken off.</summary>
    private static string? ErrorOf(GenerationRecord record, Attempt attempt)
    {
        if (attempt.Outcome == AttemptOutcome.Cancelled) return Names.Cancelled;
        var reason = attempt.Outcome == AttemptOutcome.Served ? record.ErrorReason : attempt.ErrorReason;
        return reason == ErrorReason.Unspecified ? null : ErrorTable.NameOf(reason);
    }
}
