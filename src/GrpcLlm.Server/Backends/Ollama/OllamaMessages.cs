using System.Text;
using System.Text.Json;
using GrpcLlm.V1;
using Content = GrpcLlm.V1.ContentPart.ContentOneofCase;

namespace GrpcLlm.Server.Backends.Ollama;

/// <summary>
/// Writes the messages of <c>/api/chat</c>. A message there is one text, one reasoning, images and calls, without an order
/// among them, so parts of a kind are joined in their order. A refusal of an earlier answer is its text. Each tool result
/// is a message of its own; that a tool failed has no place there and is what the result's text says. Signatures are
/// another kind's and are left out. Stateless and thread-safe.
/// </summary>
internal static class OllamaMessages
{
    /// <summary>Writes the property <c>messages</c>.</summary>
    public static void Write(Utf8JsonWriter json, GenerateRequest request)
    {
        json.WriteStartArray("messages"u8);
        if (request.InputCase == GenerateRequest.InputOneofCase.Prompt)
        {
            json.WriteStartObject();
            json.WriteString("role"u8, "user"u8);
            json.WriteString("content"u8, request.Prompt);
            json.WriteEndObject();
        }

        var toolNames = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var message in request.Conversation?.Messages ?? [])
        {
            if (message.Role == Role.Tool) WriteToolResults(json, message, toolNames);
            else WriteMessage(json, message, toolNames);
        }

        json.WriteEndArray();
    }

    private static void WriteMessage(Utf8JsonWriter json, ConversationMessage message, Dictionary<string, string> toolNames)
    {
        json.WriteStartObject();
        json.WriteString("role"u8, message.Role switch
        {
            Role.System => "system"u8,
            Role.Assistant => "assistant"u8,
            _ => "user"u8,
        });
        json.WriteString("content"u8, string.Concat(message.Parts.Select(static part => part.Text + part.Refusal)));
        var thinking = string.Concat(message.Parts.Select(static part => part.Reasoning));
        if (thinking.Length > 0) json.WriteString("thinking"u8, thinking);
        WriteImages(json, message);
        WriteToolCalls(json, message, toolNames);
        json.WriteEndObject();
    }

    private static void WriteImages(Utf8JsonWriter json, ConversationMessage message)
    {
        if (message.Parts.All(static part => part.ContentCase != Content.Image)) return;
        json.WriteStartArray("images"u8);
        foreach (var part in message.Parts.Where(static part => part.ContentCase == Content.Image))
            json.WriteBase64StringValue(part.Image.Data.Span);
        json.WriteEndArray();
    }

    private static void WriteToolCalls(Utf8JsonWriter json, ConversationMessage message, Dictionary<string, string> toolNames)
    {
        if (message.Parts.All(static part => part.ContentCase != Content.ToolCall)) return;
        json.WriteStartArray("tool_calls"u8);
        foreach (var part in message.Parts.Where(static part => part.ContentCase == Content.ToolCall))
        {
            var call = part.ToolCall;
            toolNames[call.Id] = call.Name;
            json.WriteStartObject();
            json.WriteString("id"u8, call.Id);
            json.WriteStartObject("function"u8);
            json.WriteString("name"u8, call.Name);
            json.WritePropertyName("arguments"u8);
            json.WriteRawValue(call.ArgumentsJson.Length > 0 ? call.ArgumentsJson : "{}", skipInputValidation: true);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteToolResults(Utf8JsonWriter json, ConversationMessage message, Dictionary<string, string> toolNames)
    {
        foreach (var result in message.Parts.Select(static part => part.ToolResult).Where(static result => result is not null))
        {
            var text = new StringBuilder();
            foreach (var part in result.Parts) text.Append(part.Text);
            json.WriteStartObject();
            json.WriteString("role"u8, "tool"u8);
            json.WriteString("content"u8, text.ToString());
            json.WriteString("tool_name"u8, result.Name.Length > 0 ? result.Name : toolNames.GetValueOrDefault(result.ToolCallId, ""));
            json.WriteString("tool_call_id"u8, result.ToolCallId);
            json.WriteEndObject();
        }
    }
}
