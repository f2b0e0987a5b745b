using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>The API's words in the contract's terms. Stateless and thread-safe.</summary>
internal static class AnthropicWords
{
    /// <summary>
    /// Meaning of a <c>stop_reason</c> (https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons).
    /// </summary>
    /// <param name="word">The word; empty where the message stopped without one.</param>
    /// <param name="hasToolCalls">Whether the answer holds tool calls, which the caller must answer whatever the word.</param>
    public static FinishReason FinishReasonOf(string word, bool hasToolCalls) => word switch
    {
        "" or "end_turn" => hasToolCalls ? FinishReason.ToolCalls : FinishReason.Stop,
        "tool_use" => FinishReason.ToolCalls,
        "stop_sequence" => FinishReason.StopSequence,
        "max_tokens" => FinishReason.Length,
        "model_context_window_exceeded" => FinishReason.ContextLength,
        "refusal" => FinishReason.ContentFilter,

        // pause_turn among them: the provider's own tools took long and it wants to be asked to go on.
        _ => FinishReason.Other,
    };

    /// <summary>
    /// The end that an error means whose message says that a filter blocked the answer ("Output blocked by content
    /// filtering policy", sent with status 400 and inside streams). Null for any other error.
    /// </summary>
    public static BackendEnding? BlockedBy(JsonElement body)
    {
        if (!UpstreamRefusal.MessageOf(body).Contains("content filtering policy", StringComparison.OrdinalIgnoreCase)) return null;
        return new BackendEnding(FinishReason.ContentFilter)
        {
            RawReason = JsonText.Child(body, "error") is { } error ? JsonText.Read(error, "type") : "",
            ContentFilter = new ContentFilter { Source = AnthropicProvider.BackendKind, Stage = FilterStage.Output },
        };
    }

    /// <summary>
    /// HTTP status of an error type (https://platform.claude.com/docs/en/api/errors); 500 for one not known.
    /// </summary>
    public static int StatusOf(string errorType) => errorType switch
    {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
}
