using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>
/// Reads what a list of models (<c>/models</c>) tells of one of them. OpenAI's tells the owner alone; others add the size
/// of the window under a name of their own. Stateless and thread-safe.
/// </summary>
internal static class OpenAiModelList
{
    // vLLM, OpenRouter, Groq, Mistral.
    private static readonly string[] WindowNames =
        ["max_model_len", "context_length", "context_window", "max_context_length"];

    /// <summary>What the list tells of a model; null if it does not hold it.</summary>
    public static BackendModel? Find(JsonElement list, string model)
    {
        // Together sends the bare list.
        var entries = list.ValueKind == JsonValueKind.Array ? list : JsonText.Child(list, "data");
        if (entries is not { ValueKind: JsonValueKind.Array } all) return null;
        foreach (var entry in all.EnumerateArray())
        {
            if (JsonText.Read(entry, "id") == model) return Read(entry);
        }

        return null;
    }

    private static BackendModel Read(JsonElement entry)
    {
        var window = WindowNames.Select(name => JsonText.Count(entry, name)).FirstOrDefault(static size => size is > 0);
        var most = JsonText.Count(entry, "max_completion_tokens")
            ?? (JsonText.Child(entry, "top_provider") is { } top ? JsonText.Count(top, "max_completion_tokens") : null);
        return new BackendModel
        {
            DisplayName = JsonText.Read(entry, "name"),
            Owner = JsonText.Read(entry, "owned_by"),
            ContextWindow = window,
            MaxOutputTokens = most is > 0 ? most : null,
            Capabilities = [ModelCapability.Conversation],
        };
    }
}
