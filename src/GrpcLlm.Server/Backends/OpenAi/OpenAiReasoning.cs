using System.Text.Json;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>
/// Finds the reasoning in a delta. Providers put it in different places, some in two at once: it counts once. Stateless
/// and thread-safe.
/// </summary>
internal static class OpenAiReasoning
{
    /// <summary>
    /// <c>reasoning_content</c> (DeepSeek, vLLM), else <c>reasoning</c> (OpenRouter, Groq), else the texts of
    /// <c>reasoning_details</c> (OpenRouter).
    /// </summary>
    public static string Of(JsonElement delta)
    {
        if (JsonText.Read(delta, "reasoning_content") is { Length: > 0 } content) return content;
        if (JsonText.Read(delta, "reasoning") is { Length: > 0 } reasoning) return reasoning;
        return JsonText.Child(delta, "reasoning_details") is { ValueKind: JsonValueKind.Array } details
            ? string.Concat(details.EnumerateArray().Select(static detail =>
                JsonText.Read(detail, "text") is { Length: > 0 } text ? text : JsonText.Read(detail, "summary")))
            : "";
    }

    /// <summary>The text of a part <c>thinking</c> of a list of contents (Mistral): a string, or parts again.</summary>
    public static string OfThinking(JsonElement part) =>
        JsonText.Child(part, "thinking") is { ValueKind: JsonValueKind.Array } inner
            ? string.Concat(inner.EnumerateArray().Select(static one => JsonText.Read(one, "text")))
            : JsonText.Read(part, "thinking");
}
