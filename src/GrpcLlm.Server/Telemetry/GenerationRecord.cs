using System.Collections.ObjectModel;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Everything that is known of one generation while it runs and when it ends: finish, summary, trailers and usage
/// record are all read from here, so they cannot disagree. Written by the call alone; not thread-safe.
/// </summary>
internal sealed class GenerationRecord(CallClock clock, string requestId)
{
    /// <summary>Most bytes that are told of a provider's id of its response.</summary>
    public const int MaxResponseIdBytes = 128;

    /// <summary>Most bytes that records and spans tell of a provider's own name of a model.</summary>
    public const int MaxModelBytes = 256;

    private const int MaxRawReasonBytes = 64;

    private static readonly BackendOpening NothingTold = new() { TokenCountSource = UsageSource.Unspecified };

    private bool _reasoningStreamed;
    private bool _backendToldEnd;
    private int _arrivals;
    private uint _untoldTokens;
    private Totals? _final;

    /// <summary>The call's clock.</summary>
    public CallClock Clock { get; } = clock;

    /// <summary>Name of the generation: the client's, or one made here.</summary>
    public string RequestId { get; set; } = requestId;

    /// <summary>Who called.</summary>
    public Tenant Tenant { get; set; } = Tenant.Anonymous;

    /// <summary>The deployment's name of the model; empty until it is routed.</summary>
    public string Model { get; set; } = "";

    /// <summary>Name of the model for records, spans and metrics: <c>_other</c> unless it is routed.</summary>
    public string ModelName => Model.Length == 0 ? TelemetryNames.Other : Model;

    /// <summary>Configured name of the backend that serves; empty until one does.</summary>
    public string Backend { get; set; } = "";

    /// <summary>Id of the trace that the call belongs to; empty if there is none.</summary>
    public string TraceId { get; init; } = "";

    /// <summary>Told what is sent, for load reports; null in tests of the record alone.</summary>
    public LoadMonitor? Load { get; init; }

    /// <summary>Stands for input tokens that nobody tells; null until the request is known to be valid.</summary>
    public uint? InputEstimate { get; set; }

    /// <summary>Price of the model; null: no cost is told.</summary>
    public Price? Price { get; set; }

    /// <summary>Gathers what is sent; null unless content is logged.</summary>
    public ContentCapture? Content { get; set; }

    /// <summary>The request's labels.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; set; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>Attempts so far, oldest first.</summary>
    public List<Attempt> Attempts { get; } = new(1);

    /// <summary>The upstream of each of <see cref="Attempts"/>.</summary>
    public List<UpstreamIdentity> Upstreams { get; } = new(1);

    /// <summary>Told of the first token, as it is sent; null: nobody is.</summary>
    public ServerMetrics? Metrics { get; set; }

    /// <summary>The same, for the status page; null: nobody is.</summary>
    public StatusHistory? History { get; set; }

    /// <summary>Address of this server that the call came to; null where it has none, as on a Unix socket.</summary>
    public string? LocalAddress { get; init; }

    /// <summary>Port of <see cref="LocalAddress"/>, a boxed <see cref="int"/>.</summary>
    public object? LocalPort { get; init; }

    private Attempt? ServingAttempt => Attempts.Find(static attempt => attempt.Outcome == AttemptOutcome.Served);

    /// <summary>Span of the attempt that serves; null if none does, or nobody listens.</summary>
    public AttemptSpan? ServingSpan { get; set; }

    /// <summary>Bytes of the request on the wire.</summary>
    public int RequestBytes { get; set; }

    /// <summary>Bytes of the messages sent.</summary>
    public long ResponseBytes { get; set; }

    /// <summary>Microseconds spent waiting for admission or a slot.</summary>
    public long QueueMicroseconds { get; set; }

    /// <summary>Microseconds spent waiting for others: the backend, or a client that does not read.</summary>
    public long WaitingMicroseconds { get; set; }

    /// <summary>Microseconds in which output was ready and the client did not take it.</summary>
    public long ClientStallMicroseconds { get; set; }

    /// <summary>Microseconds from the reason to stop to the closed upstream; null where none was stopped.</summary>
    public long? CancelLatencyMicroseconds { get; private set; }

    /// <summary>Sequence of the last message sent, progress included; 0 if none.</summary>
    public ulong LastSequence { get; set; }

    /// <summary>Sum of token_count over the messages sent.</summary>
    public uint StreamedTokens { get; set; }

    /// <summary>Whether a message other than progress was handed to the transport.</summary>
    public bool Delivered => FirstMessageMicroseconds is not null;

    /// <summary>When the first message other than progress was handed to the transport.</summary>
    public long? FirstMessageMicroseconds { get; private set; }

    /// <summary>When the first token was handed to the transport.</summary>
    public long? FirstTokenSentMicroseconds { get; private set; }

    /// <summary>When the first text was handed to the transport.</summary>
    public long? FirstTextMicroseconds { get; private set; }

    /// <summary>Tokens received from the backend that serves, held-back ones included.</summary>
    public uint ReceivedTokens { get; private set; }

    /// <summary>Arrival of the first token from the backend.</summary>
    public long? FirstArrivalMicroseconds { get; private set; }

    /// <summary>Arrival of the last token from the backend.</summary>
    public long LastArrivalMicroseconds { get; private set; }

    /// <summary>Mean of the times between arrivals of tokens from the backend; null with fewer than two.</summary>
    public double? MeanChunkGapMicroseconds =>
        _arrivals > 1 ? (double)(LastArrivalMicroseconds - FirstArrivalMicroseconds!.Value) / (_arrivals - 1) : null;

    /// <summary>What the backend told before its first token.</summary>
    public BackendOpening Opening { get; set; } = NothingTold;

    /// <summary>The last usage that the backend reported.</summary>
    public Usage? ReportedUsage { get; set; }

    /// <summary>Usage in the end; fixed when it is first read, so that all that tell it agree.</summary>
    public Usage FinalUsage => Final.Usage;

    /// <summary>Timing in the end; fixed with <see cref="FinalUsage"/>.</summary>
    public Timing FinalTiming => Final.Timing;

    /// <summary>Cost of all attempts in whole units, exact; null without a price. Fixed with <see cref="FinalUsage"/>.</summary>
    public decimal? FinalCost => Final.Cost;

    private Totals Final => _final ??= BuildFinal();

    /// <summary>Why it finished; unspecified while it runs and when it failed.</summary>
    public FinishReason FinishReason { get; private set; }

    /// <summary>Why it failed; unspecified while it runs and when it finished.</summary>
    public ErrorReason ErrorReason { get; private set; }

    /// <summary>The backend's own word for the end, at most 64 bytes.</summary>
    public string BackendFinishReason { get; private set; } = "";

    /// <summary>The stop sequence that was found.</summary>
    public string StopSequence { get; private set; } = "";

    /// <summary>What was filtered.</summary>
    public ContentFilter? ContentFilter { get; private set; }

    /// <summary>Notes tokens that arrived from the backend.</summary>
    /// <param name="count">How many, 1 or more.</param>
    /// <param name="arrival">When, in microseconds since acceptance.</param>
    /// <param name="isReasoning">Whether they are reasoning.</param>
    public void TokensArrived(uint count, long arrival, bool isReasoning)
    {
        _arrivals++;
        ReceivedTokens += count;
        FirstArrivalMicroseconds ??= arrival;
        LastArrivalMicroseconds = arrival;
        _reasoningStreamed |= isReasoning;
    }

    /// <summary>Notes a message, just before it is handed to the transport.</summary>
    public void MessageSent(TokenChunk chunk)
    {
        LastSequence = chunk.Sequence;
        StreamedTokens += chunk.TokenCount;
        _untoldTokens += chunk.TokenCount;
        if (_untoldTokens >= LoadMonitor.Lot) TellLoad();
        if (chunk.Progress is not null) return;
        Content?.Add(chunk);
        FirstMessageMicroseconds ??= (long)chunk.ElapsedUs;
        if (chunk.DeltaCase == TokenChunk.DeltaOneofCase.None) return;
        if (FirstTokenSentMicroseconds is null)
        {
            FirstTokenSentMicroseconds = (long)chunk.ElapsedUs;
            Metrics?.FirstTokenSent(this);
            History?.FirstTokenSent(FirstTokenSentMicroseconds.Value);
        }

        if (chunk.DeltaCase == TokenChunk.DeltaOneofCase.Text) FirstTextMicroseconds ??= (long)chunk.ElapsedUs;
    }

    /// <summary>Tells the load monitor what was sent since the last time.</summary>
    public void TellLoad()
    {
        if (_untoldTokens > 0) Load?.Sent(_untoldTokens);
        _untoldTokens = 0;
    }

    /// <summary>Notes the end that the backend told.</summary>
    public void Finish(BackendEnding ending)
    {
        _backendToldEnd = true;
        BackendFinishReason = Utf8Text.Cut(ending.RawReason, MaxRawReasonBytes);
        ContentFilter = ending.ContentFilter;
        ReportedUsage = ending.Usage ?? ReportedUsage;
        Finish(ending.Reason, ending.StopSequence);
    }

    /// <summary>Notes an end that the service made: a stop sequence, a budget, a cancel.</summary>
    public void Finish(FinishReason reason, string stopSequence = "")
    {
        FinishReason = reason;
        StopSequence = stopSequence;
    }

    /// <summary>Notes that the upstream is closed, after the call was told to stop.</summary>
    /// <param name="sinceStop">Time since it was told.</param>
    public void UpstreamStopped(TimeSpan sinceStop) =>
        CancelLatencyMicroseconds ??= (long)sinceStop.TotalMicroseconds;

    /// <summary>Notes a failure.</summary>
    public void Fail(ErrorReason reason)
    {
        ErrorReason = reason;
        FinishReason = FinishReason.Unspecified;
    }

    /// <summary>
    /// Tokens that the call used over all its attempts, as far as they are known. An attempt that was given up has had its
    /// input; one that failed is charged for what it reported.
    /// </summary>
    public long UsedTokens()
    {
        var used = 0L;
        foreach (var attempt in Attempts)
        {
            var usage = attempt.Outcome == AttemptOutcome.Served ? FinalUsage : attempt.Usage;
            if (usage is null && attempt.Outcome == AttemptOutcome.Failed) continue;
            used += usage is { HasInputTokens: true } ? usage.InputTokens : InputEstimate ?? 0;
            used += usage?.OutputTokens ?? 0;
        }

        return used;
    }

    /// <summary>
    /// Usage of the attempt that serves: the backend's own numbers once it told the end, else what was counted here. Of the
    /// last one where none serves.
    /// </summary>
    private Usage BuildUsage()
    {
        if (_backendToldEnd && ReportedUsage is not null) return ReportedUsage.Clone();

        var serves = ServingAttempt is not null;
        if (!serves && Attempts.LastOrDefault() is { Outcome: AttemptOutcome.Cancelled, Usage: { } givenUp }) return givenUp.Clone();
        return AttemptUsage.CutShort(ReportedUsage, Opening, ReceivedTokens, serves ? InputEstimate : null);
    }

    private Totals BuildFinal()
    {
        var usage = BuildUsage();

        // The attempt that served lasts as long as its stream.
        if (ServingAttempt is { } attempt)
        {
            attempt.DurationUs = (ulong)Clock.ElapsedMicroseconds - attempt.StartUs;
            attempt.Usage = usage;
        }

        return new Totals(
            usage, BuildTiming(usage), Price is { } price ? Attempts.Sum(one => one.Usage is { } used ? price.Of(used) : 0m) : null);
    }

    /// <summary>Where the time went, up to now.</summary>
    private Timing BuildTiming(Usage usage)
    {
        var total = Clock.ElapsedMicroseconds;
        var timing = new Timing
        {
            QueueUs = (ulong)QueueMicroseconds,
            TotalUs = (ulong)total,
            ClientStallUs = (ulong)ClientStallMicroseconds,
            OverheadUs = (ulong)Math.Max(0, total - QueueMicroseconds - WaitingMicroseconds),
        };
        if (FirstTokenSentMicroseconds is { } ttft) timing.TtftUs = (ulong)ttft;
        if (FirstTextMicroseconds is { } firstText) timing.FirstTextUs = (ulong)firstText;
        if (FirstArrivalMicroseconds is not { } first) return timing;

        if (ServingAttempt is { } attempt) timing.UpstreamFirstTokenUs = (ulong)Math.Max(0, first - (long)attempt.StartUs);
        timing.TpotTokens = _reasoningStreamed ? usage.OutputTokens : usage.OutputTokens - Math.Min(usage.OutputTokens, usage.ReasoningTokens);
        if (timing.TpotTokens > 1)
            timing.TpotUs = (double)(LastArrivalMicroseconds - first) / (timing.TpotTokens - 1);
        return timing;
    }

    /// <summary>The in-band finish, normative on success.</summary>
    public Finish BuildFinish()
    {
        return new Finish
        {
            Reason = FinishReason,
            StopSequence = StopSequence,
            Usage = FinalUsage,
            Timing = FinalTiming,
            Backend = Backend,
            Model = Model,
            Attempts = (uint)Attempts.Count,
            CacheState = CacheState.Unspecified,
            StreamedTokens = StreamedTokens,
            BackendFinishReason = BackendFinishReason,
            BackendResponseId = Utf8Text.Cut(Opening.ResponseId, MaxResponseIdBytes),
            BackendModel = Opening.Model,
            ContentFilter = ContentFilter,
            Cost = BuildCost(),
        };
    }

    /// <summary>The trailer's summary: the finish's twin on success, on failure what was delivered and its cost.</summary>
    public GenerationSummary BuildSummary()
    {
        var summary = new GenerationSummary
        {
            FinishReason = FinishReason,
            Usage = FinalUsage,
            Timing = FinalTiming,
            Attempts = (uint)Attempts.Count,
            Backend = Backend,
            LastSequence = LastSequence,
            RequestId = RequestId,
            Model = Model,
            ErrorReason = ErrorReason,
            StreamedTokens = StreamedTokens,
            StopSequence = Utf8Text.Cut(StopSequence, MaxRawReasonBytes),
            CacheState = CacheState.Unspecified,
            BackendFinishReason = BackendFinishReason,
            BackendResponseId = Utf8Text.Cut(Opening.ResponseId, MaxResponseIdBytes),
            BackendModel = Opening.Model,
            ContentFilter = ContentFilter,
            Cost = BuildCost(),
        };
        summary.AttemptLog.AddRange(Attempts);
        return summary;
    }

    private Money? BuildCost() => FinalCost is { } cost ? Price!.ToMoney(cost) : null;

    private sealed record Totals(Usage Usage, Timing Timing, decimal? Cost);
}
