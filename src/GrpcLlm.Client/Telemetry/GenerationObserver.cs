using System.Diagnostics;
using System.Text.Json;
using Google.Protobuf.Reflection;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Telemetry;

/// <summary>Watches one generation for those who listen. Never sees a prompt or a text. Not thread-safe.</summary>
internal sealed class GenerationObserver
{
    private const string FinishReasonPrefix = "FINISH_REASON_";

    private static readonly EnumDescriptor FinishReasons =
        GenerationReflection.Descriptor.FindTypeByName<EnumDescriptor>(nameof(FinishReason));

    private readonly ClientInstruments _instruments;
    private readonly long _start;
    private TagList _tags;
    private TimeSpan? _firstChunk;
    private long _latest;
    private Exception? _failure;

    public GenerationObserver(ClientInstruments instruments, TagList tags, Activity? activity)
    {
        _instruments = instruments;
        _tags = tags;
        Activity = activity;
        _start = instruments.Time.GetTimestamp();
    }

    /// <summary>The span; null if nobody listens to spans.</summary>
    public Activity? Activity { get; }

    /// <summary>A message came that is no progress.</summary>
    public void Received(StreamProgress progress)
    {
        var now = _instruments.Time.GetTimestamp();
        if (_firstChunk is null)
        {
            _firstChunk = _instruments.Time.GetElapsedTime(_start, now);
            if (ModelOf(progress.Started) is { } model) _tags.Add(GenAiNames.ResponseModel, model);
            _instruments.FirstChunk.Record(_firstChunk.Value.TotalSeconds, in _tags);
        }
        else
        {
            _instruments.OutputChunk.Record(_instruments.Time.GetElapsedTime(_latest, now).TotalSeconds, in _tags);
        }

        _latest = now;
    }

    /// <summary>The generation failed; the end follows.</summary>
    public void Failed(Exception exception) => _failure = exception;

    /// <summary>The generation ended: well, by a failure, or because the reader left.</summary>
    /// <param name="progress">What the latest attempt received; null if it came to none.</param>
    /// <param name="attempts">Calls made.</param>
    public void End(StreamProgress? progress, int attempts)
    {
        var finish = progress?.Finish;
        var error = _failure is not null ? ErrorOf(_failure) : finish is null ? GenAiNames.Cancelled : null;
        var usage = finish?.Usage ?? (_failure as GenerationException)?.Usage;
        RecordUsage(usage);
        if (error is not null) _tags.Add(GenAiNames.ErrorType, error);
        _instruments.Duration.Record(_instruments.Time.GetElapsedTime(_start).TotalSeconds, in _tags);
        if (Activity is null) return;
        EndSpan(Activity, progress, usage, error);
        Activity.SetTag(GenAiNames.Attempts, attempts);
        Activity.Dispose();
    }

    private static string? ModelOf(Started? started) =>
        started is null ? null : started.BackendModel is { Length: > 0 } reported ? reported
        : started.Model.Length > 0 ? started.Model : null;

    /// <summary>A word of the contract or of gRPC: never free text, and so never many.</summary>
    private static string ErrorOf(Exception failure) => failure switch
    {
        OperationCanceledException or ObjectDisposedException => GenAiNames.Cancelled,
        GenerationException { Reason: not ErrorReason.Unspecified } known => known.ReasonName,
        GenerationException { Kind: GenerationFailureKind.Truncated or GenerationFailureKind.ProtocolViolation } broken =>
            JsonNamingPolicy.SnakeCaseUpper.ConvertName(broken.Kind.ToString()),
        GenerationException other => JsonNamingPolicy.SnakeCaseUpper.ConvertName(other.StatusCode.ToString()),
        _ => "_OTHER",
    };

    /// <summary>Tokens that were estimated are not reported as if they had been counted.</summary>
    private static bool IsCounted(UsageSource source) => source is UsageSource.Reported or UsageSource.Counted;

    private void RecordUsage(Usage? usage)
    {
        if (usage is null || !_instruments.TokenUsage.Enabled) return;
        var inputSource = usage.InputSource != UsageSource.Unspecified ? usage.InputSource : usage.Source;
        if (usage.HasInputTokens && IsCounted(inputSource)) RecordTokens(usage.InputTokens, GenAiNames.InputType);
        if (IsCounted(usage.Source)) RecordTokens(usage.OutputTokens, GenAiNames.OutputType);
    }

    private void RecordTokens(long tokens, string type)
    {
        var tags = _tags;
        tags.Add(GenAiNames.TokenType, type);
        _instruments.TokenUsage.Record(tokens, in tags);
    }

    private void EndSpan(Activity activity, StreamProgress? progress, Usage? usage, string? error)
    {
        if (ModelOf(progress?.Started) is { } model) activity.SetTag(GenAiNames.ResponseModel, model);
        if (_firstChunk is { } firstChunk) activity.SetTag(GenAiNames.ResponseTimeToFirstChunk, firstChunk.TotalSeconds);
        if (progress?.Finish is { } finish)
        {
            activity.SetTag(GenAiNames.FinishReasons, new[] { WordOf(finish.Reason) });
            if (finish.BackendResponseId.Length > 0) activity.SetTag(GenAiNames.ResponseId, finish.BackendResponseId);
        }

        if (usage is not null)
        {
            if (usage.HasInputTokens) activity.SetTag(GenAiNames.InputTokens, (long)usage.InputTokens);
            if (usage.HasCachedInputTokens) activity.SetTag(GenAiNames.CachedInputTokens, (long)usage.CachedInputTokens);
            if (usage.HasCacheWriteInputTokens) activity.SetTag(GenAiNames.CacheWriteInputTokens, (long)usage.CacheWriteInputTokens);
            if (usage.HasReasoningTokens) activity.SetTag(GenAiNames.ReasoningTokens, (long)usage.ReasoningTokens);
            activity.SetTag(GenAiNames.OutputTokens, (long)usage.OutputTokens);
        }

        if (error is null) return;
        activity.SetTag(GenAiNames.ErrorType, error);
        if (error != GenAiNames.Cancelled) activity.SetStatus(ActivityStatusCode.Error);
    }

    /// <summary>The reason as in the trailer: lower case, without prefix; a newer one is its number.</summary>
    private static string WordOf(FinishReason reason) =>
        FinishReasons.FindValueByNumber((int)reason)?.Name[FinishReasonPrefix.Length..].ToLowerInvariant()
        ?? ((int)reason).ToString();
}
