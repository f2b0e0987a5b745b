using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Ollama;

/// <summary>
/// Reads the answer of <c>/api/show</c>: what a model can do. The window that it was trained for stands there too, but is
/// not the one that the server gives it, so it is not told. Stateless and thread-safe.
/// </summary>
internal static class OllamaModelCard
{
    /// <summary>What is known of the model.</summary>
    /// <param name="card">The answer.</param>
    /// <param name="known">What is known without it.</param>
    public static BackendModel Read(JsonElement card, BackendModel known)
    {
        // The server masks the vocabulary for JSON itself, whatever the model.
        var capabilities = new List<ModelCapability> { ModelCapability.JsonObject, ModelCapability.JsonSchema, ModelCapability.Seed };
        var takes = new List<Modality> { Modality.Text };
        if (JsonText.Child(card, "capabilities") is { ValueKind: JsonValueKind.Array } words)
        {
            foreach (var word in words.EnumerateArray())
            {
                switch (JsonText.Read(word))
                {
                    case "completion":
                        capabilities.Add(ModelCapability.Conversation);
                        break;
                    case "tools":
                        capabilities.Add(ModelCapability.Tools);
                        break;
                    case "thinking":
                        capabilities.Add(ModelCapability.Reasoning);
                        break;
                    case "vision":
                        takes.Add(Modality.Image);
                        break;
                }
            }
        }

        return known with { Capabilities = capabilities, InputModalities = takes, OutputModalities = [Modality.Text] };
    }
}
