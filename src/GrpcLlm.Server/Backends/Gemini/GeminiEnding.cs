using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>
/// Maps the API's <c>finishReason</c> and <c>blockReason</c>. Reasons of its filters are CONTENT_FILTER, with the
/// categories of harm that blocked, else the reason's own word; what went wrong in its own making of a call, a language it
/// does not speak, and words newer than this code are OTHER. Stateless and thread-safe.
/// </summary>
internal static class GeminiEnding
{
    private const int MaxCategories = 8;
    private const string CategoryPrefix = "HARM_CATEGORY_";

    /// <summary>The end that a candidate tells; null while it tells none.</summary>
    public static BackendEnding? Of(JsonElement candidate)
    {
        var word = JsonText.Read(candidate, "finishReason");
        if (word is "" or "FINISH_REASON_UNSPECIFIED") return null;
        var reason = word switch
        {
            "STOP" => FinishReason.Stop,
            "MAX_TOKENS" => FinishReason.Length,
            "SAFETY" or "RECITATION" or "BLOCKLIST" or "PROHIBITED_CONTENT" or "SPII" or "MODEL_ARMOR"
                or "IMAGE_SAFETY" or "IMAGE_PROHIBITED_CONTENT" or "IMAGE_RECITATION" => FinishReason.ContentFilter,
            _ => FinishReason.Other,
        };
        return new BackendEnding(reason)
        {
            RawReason = word,
            ContentFilter = reason == FinishReason.ContentFilter ? FilterOf(FilterStage.Output, word, candidate) : null,
        };
    }

    /// <summary>The end of an answer whose prompt was blocked; null if it was not.</summary>
    public static BackendEnding? OfPrompt(JsonElement feedback)
    {
        var word = JsonText.Read(feedback, "blockReason");
        if (word is "" or "BLOCK_REASON_UNSPECIFIED") return null;
        return new BackendEnding(FinishReason.ContentFilter)
        {
            RawReason = word,
            ContentFilter = FilterOf(FilterStage.Input, word, feedback),
        };
    }

    private static ContentFilter FilterOf(FilterStage stage, string word, JsonElement rated)
    {
        var filter = new ContentFilter { Stage = stage, Source = GeminiProvider.BackendKind };
        if (JsonText.Child(rated, "safetyRatings") is { ValueKind: JsonValueKind.Array } ratings)
        {
            foreach (var rating in ratings.EnumerateArray())
            {
                if (rating.ValueKind != JsonValueKind.Object || !rating.TryGetProperty("blocked"u8, out var blocked)
                    || blocked.ValueKind != JsonValueKind.True || filter.Categories.Count == MaxCategories) continue;
                var name = JsonText.Read(rating, "category");
                if (name.StartsWith(CategoryPrefix, StringComparison.Ordinal)) name = name[CategoryPrefix.Length..];
                filter.Categories.Add(NameOf(name));
            }
        }

        if (filter.Categories.Count == 0) filter.Categories.Add(NameOf(word));
        return filter;
    }

    private static string NameOf(string word) => Telemetry.Utf8Text.Cut(word.ToLowerInvariant(), 64);
}
