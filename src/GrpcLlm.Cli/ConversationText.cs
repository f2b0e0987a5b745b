using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using GrpcLlm.V1;

namespace GrpcLlm.Cli;

/// <summary>
/// A conversation as JSON: the contract's own form, with roles in short (<c>user</c>) and, for a message of nothing but
/// text, <c>content</c> in place of parts.
/// </summary>
internal static class ConversationText
{
    private const string RolePrefix = "ROLE_";

    /// <summary>Reads a conversation: an array of messages, or an object with <c>messages</c>.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">Where it came from, for errors.</param>
    /// <exception cref="UsageException">It is no conversation.</exception>
    public static Conversation Parse(string json, string source)
    {
        try
        {
            var root = JsonNode.Parse(json);
            var messages = root as JsonArray ?? (root as JsonObject)?["messages"] as JsonArray
                ?? throw new UsageException($"'{source}' is no conversation: an array of messages is expected.");
            foreach (var message in messages.OfType<JsonObject>()) Expand(message);
            var conversation = JsonParser.Default.Parse<Conversation>(new JsonObject { ["messages"] = messages.DeepClone() }.ToJsonString());
            return conversation.Messages.Count > 0 ? conversation : throw new UsageException($"'{source}' holds no message.");
        }
        catch (Exception exception) when (exception is JsonException or InvalidProtocolBufferException)
        {
            throw new UsageException($"'{source}' is no conversation: {exception.Message}");
        }
    }

    /// <summary>Writes the short forms of a message in full.</summary>
    private static void Expand(JsonObject message)
    {
        if (message["role"] is JsonValue role && role.TryGetValue<string>(out var name)
            && !name.StartsWith(RolePrefix, StringComparison.Ordinal))
        {
            message["role"] = RolePrefix + name.ToUpperInvariant();
        }

        if (message["content"] is JsonValue content && content.TryGetValue<string>(out var text) && message["parts"] is null)
        {
            message.Remove("content");
            message["parts"] = new JsonArray(new JsonObject { ["text"] = text });
        }
    }
}
