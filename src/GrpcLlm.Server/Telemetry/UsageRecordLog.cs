using System.Buffers;
using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Writes exactly one usage record per generation: one line of JSON under a stable event id, on every path. It holds
/// what a bill needs, never a prompt, an answer or a key. What is not known or did not happen is absent. Members may be
/// added; none changes its meaning:
/// <code>
/// accepted_at            when the call came, ISO 8601
/// request_id, trace_id   names of the generation and of its trace
/// tenant, model          who called, for what; a model that is not served is _other
/// backend, backend_model, backend_response_id    who served, in its own words
/// attempts               how many were made; attempt_log tells each
/// finish_reason          stop, length, …; or, where the call failed:
/// error_reason, fault    UPSTREAM_STALLED, …; client, service or upstream
/// input_tokens, cached_input_tokens, cache_write_input_tokens, output_tokens, reasoning_tokens
///                        of the attempt that served, or else of the last; subsets are in their totals
/// usage_source           reported, counted or estimated: of the least certain number; unspecified: nothing is known
/// input_source           of the input, where it is more certain
/// cost, cost_currency    of all attempts, exact; only where the model has a price
/// streamed_tokens, last_sequence                 what was sent
/// queue_us, upstream_first_token_us, ttft_us, first_text_us, tpot_us, tpot_tokens, total_us, client_stall_us, overhead_us
/// request_bytes, response_bytes                  of messages, before transport framing
/// attempt_log            number, backend, key_label, outcome, error_reason, hedged, start_us, duration_us, tokens, cost
/// labels                 the request's
/// </code>
/// Thread-safe.
/// </summary>
internal sealed partial class UsageRecordLog(ILoggerFactory loggerFactory)
{
    /// <summary>Category of the records, so that they can be routed on their own.</summary>
    public const string Category = "GrpcLlm.Usage";

    private readonly ILogger _logger = loggerFactory.CreateLogger(Category);

    /// <summary>Writes the record of a generation that ended.</summary>
    public void Write(GenerationRecord record)
    {
        if (!_logger.IsEnabled(LogLevel.Information)) return;
        var line = ToJson(record);
        UsageRecorded(_logger, line);
    }

    internal static string ToJson(GenerationRecord record)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);

        // The default encoder escapes whatever could break a line or a terminal.
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            WriteWho(json, record);
            WriteUsage(json, record.FinalUsage);
            WriteCost(json, record.Price, record.FinalCost);
            json.WriteNumber("streamed_tokens", record.StreamedTokens);
            json.WriteNumber("last_sequence", record.LastSequence);
            WriteTiming(json, record.FinalTiming);
            json.WriteNumber("request_bytes", record.RequestBytes);
            json.WriteNumber("response_bytes", record.ResponseBytes);
            json.WriteStartArray("attempt_log");
            foreach (var attempt in record.Attempts) WriteAttempt(json, attempt, record.Price);
            json.WriteEndArray();
            json.WriteStartObject("labels");
            foreach (var (key, value) in record.Labels) json.WriteString(key, value);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteWho(Utf8JsonWriter json, GenerationRecord record)
    {
        json.WriteString("accepted_at", record.Clock.AcceptedAt);
        json.WriteString("request_id", record.RequestId);
        WriteNonEmpty(json, "trace_id", record.TraceId);
        json.WriteString("tenant", record.Tenant.Name);
        json.WriteString("model", record.ModelName);
        json.WriteString("backend", record.Backend);
        WriteNonEmpty(json, "backend_model", Utf8Text.Cut(record.Opening.Model, GenerationRecord.MaxModelBytes));
        WriteNonEmpty(json, "backend_response_id", Utf8Text.Cut(record.Opening.ResponseId, GenerationRecord.MaxResponseIdBytes));
        json.WriteNumber("attempts", record.Attempts.Count);
        if (record.ErrorReason == ErrorReason.Unspecified)
        {
            json.WriteString("finish_reason", ErrorTable.NameOf(record.FinishReason));
        }
        else
        {
            json.WriteString("error_reason", ErrorTable.NameOf(record.ErrorReason));
            json.WriteString("fault", ErrorTable.NameOf(ErrorTable.FaultOf(record.ErrorReason)));
        }
    }

    private static void WriteUsage(Utf8JsonWriter json, Usage usage)
    {
        if (usage.HasInputTokens) json.WriteNumber("input_tokens", usage.InputTokens);
        if (usage.HasCachedInputTokens) json.WriteNumber("cached_input_tokens", usage.CachedInputTokens);
        if (usage.HasCacheWriteInputTokens) json.WriteNumber("cache_write_input_tokens", usage.CacheWriteInputTokens);
        json.WriteNumber("output_tokens", usage.OutputTokens);
        if (usage.HasReasoningTokens) json.WriteNumber("reasoning_tokens", usage.ReasoningTokens);
        json.WriteString("usage_source", Names<UsageSource>.LowerOf(usage.Source));
        if (usage.InputSource != UsageSource.Unspecified)
            json.WriteString("input_source", Names<UsageSource>.LowerOf(usage.InputSource));
    }

    private static void WriteCost(Utf8JsonWriter json, Price? price, decimal? cost)
    {
        if (price is null || cost is not { } amount) return;
        json.WriteNumber("cost", amount);
        json.WriteString("cost_currency", price.Currency);
    }

    private static void WriteTiming(Utf8JsonWriter json, Timing timing)
    {
        json.WriteNumber("queue_us", timing.QueueUs);
        if (timing.HasUpstreamFirstTokenUs) json.WriteNumber("upstream_first_token_us", timing.UpstreamFirstTokenUs);
        if (timing.HasTtftUs) json.WriteNumber("ttft_us", timing.TtftUs);
        if (timing.HasFirstTextUs) json.WriteNumber("first_text_us", timing.FirstTextUs);
        if (timing.HasTpotUs) json.WriteNumber("tpot_us", timing.TpotUs);
        json.WriteNumber("tpot_tokens", timing.TpotTokens);
        json.WriteNumber("total_us", timing.TotalUs);
        json.WriteNumber("client_stall_us", timing.ClientStallUs);
        json.WriteNumber("overhead_us", timing.OverheadUs);
    }

    private static void WriteAttempt(Utf8JsonWriter json, Attempt attempt, Price? price)
    {
        json.WriteStartObject();
        json.WriteNumber("number", attempt.Number);
        json.WriteString("backend", attempt.Backend);
        WriteNonEmpty(json, "key_label", attempt.KeyLabel);
        json.WriteString("outcome", Names<AttemptOutcome>.LowerOf(attempt.Outcome));
        if (attempt.ErrorReason != ErrorReason.Unspecified) json.WriteString("error_reason", ErrorTable.NameOf(attempt.ErrorReason));
        json.WriteBoolean("hedged", attempt.Hedged);
        json.WriteNumber("start_us", attempt.StartUs);
        json.WriteNumber("duration_us", attempt.DurationUs);
        if (attempt.Usage is { } usage)
        {
            WriteUsage(json, usage);
            WriteCost(json, price, price?.Of(usage));
        }

        json.WriteEndObject();
    }

    private static void WriteNonEmpty(Utf8JsonWriter json, string name, string value)
    {
        if (value.Length > 0) json.WriteString(name, value);
    }

    [LoggerMessage(EventId = 1, EventName = "UsageRecorded", Level = LogLevel.Information, Message = "{Record}")]
    private static partial void UsageRecorded(ILogger logger, string record);
}
