using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>Says what an embedded model is, so that nobody takes it for more.</summary>
internal static class EmbeddedDescription
{
    private const string DefaultModel = "grpcllm-tales-3m";

    private const string DefaultModelText =
        "A very small language model (3 million parameters) of old-fashioned English prose, trained from scratch on " +
        "public-domain books. It continues stories for a few sentences and soon loses the thread. It knows nothing: " +
        "it cannot answer questions, follow instructions or chat. For tests, demonstrations and examples.";

    private const string NoChatFormat = "It has no chat format: a prompt is continued as plain text.";

    private const string HasChatFormat = "It has a chat format: a prompt is a message of the user.";

    private const string Structured =
        "It writes JSON and calls tools only when it must, in the right form, without knowing what for.";

    /// <summary>Describes a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="contextWindow">Tokens of prompt and output.</param>
    /// <param name="isStructured">Whether its output can be kept to a shape.</param>
    public static BackendModel Of(EmbeddedModel model, int contextWindow, bool isStructured)
    {
        string what = string.Equals(model.Name, DefaultModel, StringComparison.Ordinal) ? DefaultModelText
            : model.Description.Length > 0 ? model.Description
            : $"The model '{model.Name}' from a GGUF file.";
        string chat = model.Chat is not null ? HasChatFormat
            : model.ChatProblem is { } problem
                ? $"The chat template in its file is not understood ({problem}): a prompt is continued as plain text."
                : NoChatFormat;
        return new BackendModel
        {
            Description = $"{what} {chat}{(isStructured ? $" {Structured}" : "")}",
            DisplayName = model.Name,
            Owner = model.Author,
            ContextWindow = (uint)contextWindow,
            MaxOutputTokens = (uint)contextWindow,
            Capabilities =
            [
                .. model.Chat is not null ? new[] { ModelCapability.Conversation } : [],
                .. isStructured
                    ? new[] { ModelCapability.Tools, ModelCapability.JsonObject, ModelCapability.JsonSchema }
                    : [],
                ModelCapability.Logprobs, ModelCapability.TokenIds, ModelCapability.Seed,
            ],
            InputModalities = [Modality.Text],
            OutputModalities = [Modality.Text],
        };
    }
}
