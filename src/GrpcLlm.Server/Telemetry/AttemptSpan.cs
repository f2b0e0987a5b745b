using System.Diagnostics;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// The span <c>chat {model}</c> of one attempt, from its start to the end of its stream; a child of the call's. It tells
/// numbers and names, never a prompt, an answer or a key. While the request is sent it is the current one, so that the
/// HTTP handler's span is its child. Ends once, whoever is first; otherwise not thread-safe.
/// </summary>
internal sealed class AttemptSpan
{
    private static readonly ActivitySource Source = new(new ActivitySourceOptions(SpanNames.SourceName)
    {
        Version = typeof(AttemptSpan).Assembly.GetName().Version?.ToString(3) ?? "",
        TelemetrySchemaUrl = TelemetryNames.SchemaUrl,
    });

    private readonly Activity _activity;
    private int _ended;

    private AttemptSpan(Activity activity) => _activity = activity;

    /// <summary>Starts the span and makes it the current one of the caller's flow; null while nobody listens.</summary>
    /// <param name="backend">Who is asked.</param>
    /// <param name="call">What is asked.</param>
    /// <param name="log">Number, key label, and whether it is a hedge.</param>
    /// <param name="hedged">The attempt beside which it starts.</param>
    public static AttemptSpan? Start(IBackend backend, BackendCall call, Attempt log, AttemptSpan? hedged)
    {
        if (!Source.HasListeners()) return null;
        var tags = new TagList
        {
            { TelemetryNames.OperationName, TelemetryNames.Chat },
            { TelemetryNames.ProviderName, backend.ProviderName },
            { TelemetryNames.RequestModel, call.Model },
        };
        if (backend.Address is { } address)
        {
            tags.Add(TelemetryNames.ServerAddress, address.Host);
            tags.Add(TelemetryNames.ServerPort, address.Port);
        }

        var activity = Source.StartActivity(
            backend.Address is null ? ActivityKind.Internal : ActivityKind.Client,
            tags: tags,
            links: hedged is null ? null : [new ActivityLink(hedged._activity.Context)],
            name: $"{TelemetryNames.Chat} {call.Model}");
        if (activity is null) return null;
        if (activity.IsAllDataRequested) Tell(activity, backend, call, log);
        return new AttemptSpan(activity);
    }

    /// <summary>Notes the first token.</summary>
    /// <param name="microseconds">Since the start of the attempt.</param>
    public void FirstToken(long microseconds)
    {
        if (_activity.IsAllDataRequested) _activity.SetTag(SpanNames.TimeToFirstChunk, microseconds / 1e6);
    }

    /// <summary>Fixes the end of the span; what is known only when its call is finished follows.</summary>
    public void StreamEnded(DateTimeOffset time) => _activity.SetEndTime(time.UtcDateTime);

    /// <summary>Puts the content of the call on the span, where the operator has said so.</summary>
    /// <param name="input">Messages as JSON.</param>
    /// <param name="output">Messages as JSON.</param>
    public void TellContent(string input, string output)
    {
        if (!_activity.IsAllDataRequested) return;
        _activity.SetTag(SpanNames.InputMessages, input);
        _activity.SetTag(SpanNames.OutputMessages, output);
    }

    /// <summary>Ends the span of an attempt that did not serve: it failed or was given up.</summary>
    public void End(Attempt log, BackendOpening? opening)
    {
        if (Interlocked.Exchange(ref _ended, 1) != 0) return;
        if (_activity.IsAllDataRequested)
        {
            // What opened and was then dropped has no outcome of its own.
            var failed = log.Outcome == AttemptOutcome.Failed;
            SetOutcome(failed ? AttemptOutcome.Failed : AttemptOutcome.Cancelled);
            TellOpening(opening);
            SpanUsage.Set(_activity, log.Usage);
            if (failed) Fail(log.ErrorReason);
        }

        _activity.Dispose();
    }

    /// <summary>Ends the span of the attempt that served, as its call ended.</summary>
    public void EndServed(GenerationRecord record)
    {
        if (Interlocked.Exchange(ref _ended, 1) != 0) return;
        if (_activity.IsAllDataRequested)
        {
            SetOutcome(AttemptOutcome.Served);
            TellOpening(record.Opening);
            SpanUsage.Set(_activity, record.FinalUsage);
            if (record.ErrorReason != ErrorReason.Unspecified) Fail(record.ErrorReason);
            else _activity.SetTag(SpanNames.FinishReasons, new[] { ErrorTable.NameOf(record.FinishReason) });
        }

        _activity.Dispose();
    }

    private static void Tell(Activity activity, IBackend backend, BackendCall call, Attempt log)
    {
        var request = call.Request;
        activity.SetTag(SpanNames.RequestStream, true);
        activity.SetTag(SpanNames.Backend, backend.Name);
        activity.SetTag(SpanNames.AttemptNumber, (long)log.Number);
        activity.SetTag(SpanNames.AttemptHedged, log.Hedged);
        if (log.KeyLabel.Length > 0) activity.SetTag(SpanNames.KeyLabel, log.KeyLabel);
        activity.SetTag(
            SpanNames.OutputType,
            request.Output?.ResponseFormat is { JsonObject: not null } or { JsonSchema: not null } ? "json" : "text");
        if (call.MaxOutputTokens is { } most) activity.SetTag(SpanNames.RequestMaxTokens, (long)most);
        if (request.Sampling is not { } sampling) return;
        if (sampling.HasTemperature) activity.SetTag(SpanNames.RequestTemperature, sampling.Temperature);
        if (sampling.HasTopP) activity.SetTag(SpanNames.RequestTopP, sampling.TopP);
        if (sampling.HasTopK) activity.SetTag(SpanNames.RequestTopK, (double)sampling.TopK);
        if (sampling.HasSeed) activity.SetTag(SpanNames.RequestSeed, sampling.Seed);
        if (sampling.HasFrequencyPenalty) activity.SetTag(SpanNames.RequestFrequencyPenalty, sampling.FrequencyPenalty);
        if (sampling.HasPresencePenalty) activity.SetTag(SpanNames.RequestPresencePenalty, sampling.PresencePenalty);
    }

    private void SetOutcome(AttemptOutcome outcome) =>
        _activity.SetTag(SpanNames.AttemptOutcome, Names<AttemptOutcome>.LowerOf(outcome));

    private void TellOpening(BackendOpening? opening)
    {
        if (opening is null) return;
        if (opening.Model.Length > 0) _activity.SetTag(TelemetryNames.ResponseModel, Utf8Text.Cut(opening.Model, GenerationRecord.MaxModelBytes));
        if (opening.ResponseId.Length > 0) _activity.SetTag(SpanNames.ResponseId, Utf8Text.Cut(opening.ResponseId, GenerationRecord.MaxResponseIdBytes));
    }

    /// <summary>A client that left is no error of the attempt.</summary>
    private void Fail(ErrorReason reason)
    {
        _activity.SetTag(TelemetryNames.ErrorType, ErrorTable.NameOf(reason));
        if (ErrorTable.FaultOf(reason) != Fault.Client) _activity.SetStatus(ActivityStatusCode.Error);
    }
}
