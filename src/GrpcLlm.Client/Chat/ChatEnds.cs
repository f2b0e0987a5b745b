using System.Globalization;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;

namespace GrpcLlm.Client.Chat;

/// <summary>What the end of an answer tells, in the terms of the abstractions. Stateless and thread-safe.</summary>
internal static class ChatEnds
{
    /// <summary>Why it ended; a reason that the abstractions have no name for keeps the contract's, in lower case.</summary>
    public static ChatFinishReason ReasonOf(FinishReason reason) => reason switch
    {
        FinishReason.Stop or FinishReason.StopSequence => ChatFinishReason.Stop,
        FinishReason.Length or FinishReason.ContextLength => ChatFinishReason.Length,
        FinishReason.ToolCalls => ChatFinishReason.ToolCalls,
        FinishReason.ContentFilter => ChatFinishReason.ContentFilter,
        _ => new ChatFinishReason(NameOf(reason)),
    };

    /// <summary>Tokens used. What is not known is left out, the total included.</summary>
    public static UsageDetails UsageOf(Usage usage)
    {
        var details = new UsageDetails { OutputTokenCount = usage.OutputTokens };
        if (usage.HasInputTokens)
        {
            details.InputTokenCount = usage.InputTokens;
            details.TotalTokenCount = (long)usage.InputTokens + usage.OutputTokens;
        }

        if (usage.HasCachedInputTokens) details.CachedInputTokenCount = usage.CachedInputTokens;
        if (usage.HasReasoningTokens) details.ReasoningTokenCount = usage.ReasoningTokens;
        if (usage.HasCacheWriteInputTokens)
            details.AdditionalCounts = new() { ["cache_write_input_tokens"] = usage.CacheWriteInputTokens };
        return details;
    }

    /// <summary>What the abstractions have no member for, under the contract's own names; what is not known is left out.</summary>
    public static AdditionalPropertiesDictionary PropertiesOf(Finish finish)
    {
        var properties = new AdditionalPropertiesDictionary { ["finish_reason"] = NameOf(finish.Reason) };
        AddText("stop_sequence", finish.StopSequence);
        AddText("backend", finish.Backend);
        AddText("backend_model", finish.BackendModel);
        AddText("backend_finish_reason", finish.BackendFinishReason);
        AddText("backend_response_id", finish.BackendResponseId);
        if (finish.Attempts > 0) properties["attempts"] = (long)finish.Attempts;
        if (finish.Cost is { } cost) properties["cost"] = TextOf(cost);
        if (finish.Timing is not { } timing) return properties;
        if (timing.HasTtftUs) properties["ttft_us"] = (long)timing.TtftUs;
        if (timing.HasTpotUs) properties["tpot_us"] = timing.TpotUs;
        properties["total_us"] = (long)timing.TotalUs;
        return properties;

        void AddText(string name, string text)
        {
            if (text.Length > 0) properties[name] = text;
        }
    }

    private static string NameOf(FinishReason reason) =>
        System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString());

    /// <summary><c>0.0012 USD</c></summary>
    private static string TextOf(Money money) =>
        (money.Units + (money.Nanos / 1e9m)).ToString(CultureInfo.InvariantCulture) + " " + money.CurrencyCode;
}
