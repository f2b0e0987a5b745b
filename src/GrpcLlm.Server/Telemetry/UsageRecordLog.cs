using System.Buffers;
using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Writes exactly one usage record per generation: one line of JSON under a stable event id, on every path. It holds
/// what a bill needs, never a prompt, an answer or a key. Thread-safe.
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
        var usage = record.FinalUsage;
        var timing = record.FinalTiming;
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("accepted_at", record.Clock.AcceptedAt);
            json.WriteString("request_id", record.RequestId);
            json.WriteString("tenant", record.Tenant.Name);
            json.WriteString("model", record.Model.Length == 0 ? "_other" : record.Model);
            json.WriteString("backend", record.Backend);
            json.WriteNumber("attempts", record.Attempts.Count);
            if (record.ErrorReason == ErrorReason.Unspecified)
                json.WriteString("finish_reason", ErrorTable.NameOf(record.FinishReason));
            else
                json.WriteString("error_reason", ErrorTable.NameOf(record.ErrorReason));
            if (usage.HasInputTokens) json.WriteNumber("input_tokens", usage.InputTokens);
            if (usage.HasCachedInputTokens) json.WriteNumber("cached_input_tokens", usage.CachedInputTokens);
            json.WriteNumber("output_tokens", usage.OutputTokens);
            if (usage.HasReasoningTokens) json.WriteNumber("reasoning_tokens", usage.ReasoningTokens);
            json.WriteString("usage_source", Names<UsageSource>.LowerOf(usage.Source));
            json.WriteNumber("streamed_tokens", record.StreamedTokens);
            json.WriteNumber("last_sequence", record.LastSequence);
            json.WriteNumber("queue_us", timing.QueueUs);
            if (timing.HasTtftUs) json.WriteNumber("ttft_us", timing.TtftUs);
            if (timing.HasTpotUs) json.WriteNumber("tpot_us", timing.TpotUs);
            json.WriteNumber("total_us", timing.TotalUs);
            json.WriteNumber("client_stall_us", timing.ClientStallUs);
            json.WriteNumber("overhead_us", timing.OverheadUs);
            json.WriteNumber("request_bytes", record.RequestBytes);
            json.WriteNumber("response_bytes", record.ResponseBytes);
            json.WriteStartObject("labels");
            foreach (var (key, value) in record.Labels) json.WriteString(key, value);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    [LoggerMessage(EventId = 1, EventName = "UsageRecorded", Level = LogLevel.Information, Message = "{Record}")]
    private static partial void UsageRecorded(ILogger logger, string record);
}
