using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>
/// Reads what <c>GET models/{id}</c> tells of a model (https://platform.claude.com/docs/en/api/models/retrieve). Numbers
/// and capabilities are missing on older servers. Stateless and thread-safe.
/// </summary>
internal static class AnthropicModel
{
    /// <summary>What the answer tells.</summary>
    public static BackendModel Read(JsonElement model)
    {
        var capabilities = JsonText.Child(model, "capabilities") ?? default;
        List<ModelCapability> known = [ModelCapability.Conversation, ModelCapability.Tools];
        if (IsSupported(capabilities, "thinking")) known.Add(ModelCapability.Reasoning);
        if (IsSupported(capabilities, "structured_outputs")) known.Add(ModelCapability.JsonSchema);
        return new BackendModel
        {
            DisplayName = JsonText.Read(model, "display_name"),
            ContextWindow = JsonText.Count(model, "max_input_tokens"),
            MaxOutputTokens = JsonText.Count(model, "max_tokens"),
            Capabilities = known,
            InputModalities = IsSupported(capabilities, "image_input") ? [Modality.Text, Modality.Image] : [Modality.Text],
            OutputModalities = [Modality.Text],
        };
    }

    private static bool IsSupported(JsonElement capabilities, string name) =>
        JsonText.Child(capabilities, name) is { ValueKind: JsonValueKind.Object } one
        && one.TryGetProperty("supported", out var value) && value.ValueKind == JsonValueKind.True;
}
