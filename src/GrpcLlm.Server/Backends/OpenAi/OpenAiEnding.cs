using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>Reads the end of an answer. Stateless and thread-safe.</summary>
internal static class OpenAiEnding
{
    private const int MaxCategories = 8;

    /// <summary>The end that a finish reason means.</summary>
    /// <param name="word">The provider's word.</param>
    /// <param name="choice">The choice that holds it.</param>
    public static BackendEnding Of(string word, JsonElement choice)
    {
        var reason = word switch
        {
            "stop" => FinishReason.Stop,
            "length" => FinishReason.Length,
            "tool_calls" or "function_call" => FinishReason.ToolCalls,
            "content_filter" => FinishReason.ContentFilter,
            // Mistral's word for a full context window.
            "model_length" => FinishReason.ContextLength,
            _ => FinishReason.Other,
        };
        return new BackendEnding(reason)
        {
            RawReason = word,
            ContentFilter = reason == FinishReason.ContentFilter ? FilterOf(choice) : null,
        };
    }

    /// <summary>
    /// The end that Azure's refusal of a prompt means: 400 with the code <c>content_filter</c>. Null for any other error.
    /// </summary>
    public static BackendEnding? OfBlockedPrompt(int status, JsonElement body)
    {
        if (status != 400 || JsonText.Child(body, "error") is not { } error || JsonText.Read(error, "code") != "content_filter")
            return null;
        var filter = new ContentFilter { Stage = FilterStage.Input };
        if (JsonText.Child(error, "innererror") is { } inner && JsonText.Child(inner, "content_filter_result") is { } results)
            AddCategories(results, filter);
        return new BackendEnding(FinishReason.ContentFilter) { RawReason = "content_filter", ContentFilter = filter };
    }

    /// <summary>Azure says which of its filters objected (<c>content_filter_results</c>).</summary>
    private static ContentFilter FilterOf(JsonElement choice)
    {
        var filter = new ContentFilter { Stage = FilterStage.Output };
        if (JsonText.Child(choice, "content_filter_results") is { } results) AddCategories(results, filter);
        return filter;
    }

    private static void AddCategories(JsonElement results, ContentFilter filter)
    {
        if (results.ValueKind != JsonValueKind.Object) return;
        foreach (var result in results.EnumerateObject())
        {
            if (filter.Categories.Count < MaxCategories && result.Value.ValueKind == JsonValueKind.Object
                && result.Value.TryGetProperty("filtered", out var filtered) && filtered.ValueKind == JsonValueKind.True)
                filter.Categories.Add(result.Name.ToLowerInvariant());
        }
    }
}
