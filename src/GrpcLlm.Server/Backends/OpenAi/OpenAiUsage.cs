using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>
/// Reads usage: at the root, under <c>x_groq</c> (Groq) or in the choice (Moonshot); at the end or in every chunk.
/// Stateless and thread-safe.
/// </summary>
internal static class OpenAiUsage
{
    /// <summary>The usage that a chunk reports; null if it reports none, or zeros alone, which some servers send first.</summary>
    public static Usage? Of(JsonElement root, JsonElement? choice) =>
        Read(JsonText.Child(root, "usage"))
        ?? (JsonText.Child(root, "x_groq") is { } groq ? Read(JsonText.Child(groq, "usage")) : null)
        ?? (choice is { } one ? Read(JsonText.Child(one, "usage")) : null);

    private static Usage? Read(JsonElement? element)
    {
        if (element is not { ValueKind: JsonValueKind.Object } usage) return null;
        var input = JsonText.Count(usage, "prompt_tokens");
        if (JsonText.Count(usage, "completion_tokens") is not { } output || (output == 0 && input is null or 0)) return null;

        var inputDetails = JsonText.Child(usage, "prompt_tokens_details") ?? usage;
        var outputDetails = JsonText.Child(usage, "completion_tokens_details") ?? usage;
        var result = new Usage { OutputTokens = output, Source = UsageSource.Reported };
        if (input is { } known) result.InputTokens = known;

        // DeepSeek has its own name for what came from the cache.
        if ((JsonText.Count(inputDetails, "cached_tokens") ?? JsonText.Count(usage, "cached_tokens")
            ?? JsonText.Count(usage, "prompt_cache_hit_tokens")) is { } cached) result.CachedInputTokens = cached;
        if (JsonText.Count(inputDetails, "cache_write_tokens") is { } written) result.CacheWriteInputTokens = written;
        if ((JsonText.Count(outputDetails, "reasoning_tokens") ?? JsonText.Count(usage, "reasoning_tokens")) is not { } reasoning)
            return UsageTotals.Widen(result);

        // Some servers count reasoning beside the completion: their own total shows it.
        result.ReasoningTokens = reasoning;
        var total = JsonText.Count(usage, "total_tokens");
        if (reasoning > output || (reasoning > 0 && total == (ulong)(input ?? 0) + output + reasoning))
            result.OutputTokens = UsageTotals.Add(output, reasoning);
        return UsageTotals.Widen(result);
    }
}
