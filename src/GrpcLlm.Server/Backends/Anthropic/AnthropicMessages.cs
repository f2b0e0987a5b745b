using System.Text.Json;
using GrpcLlm.V1;
using Content = GrpcLlm.V1.ContentPart.ContentOneofCase;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>
/// Writes a conversation as <c>system</c> and <c>messages</c>. Rules:
/// <list type="bullet">
/// <item>Messages of ROLE_SYSTEM become blocks of <c>system</c> in their order, wherever they stand.</item>
/// <item>Neighbouring messages of ROLE_TOOL become one user message: the API wants all results of one turn in the message
/// right behind it. Other neighbours stay apart; the API combines them itself.</item>
/// <item>Reasoning goes back only with its signature, part by part and in order; without one (or with that of another
/// kind of backend) it is left out, for the API refuses unsigned thinking.</item>
/// <item>A refusal of an earlier answer is its text: the API has no other form.</item>
/// <item>Empty text says nothing and is refused by the API: left out, and so is a message that then is empty.</item>
/// <item>The <c>media_type</c> of an image by URL is left out: the provider takes it from what it fetches.</item>
/// </list>
/// Stateless and thread-safe.
/// </summary>
internal static class AnthropicMessages
{
    /// <summary>Writes both properties.</summary>
    public static void Write(Utf8JsonWriter json, GenerateRequest request)
    {
        if (request.InputCase == GenerateRequest.InputOneofCase.Prompt)
        {
            json.WriteStartArray("messages");
            BeginMessage(json, Role.User);
            WriteText(json, request.Prompt);
            EndMessage(json);
            json.WriteEndArray();
            return;
        }

        var messages = request.Conversation?.Messages ?? [];
        WriteSystem(json, messages);
        json.WriteStartArray("messages");
        var open = Role.Unspecified;
        foreach (var message in messages)
        {
            if (message.Role == Role.System || !message.Parts.Any(IsSent)) continue;
            if (open == Role.Tool && message.Role == Role.Tool)
            {
                WriteParts(json, message);
                continue;
            }

            if (open != Role.Unspecified) EndMessage(json);
            BeginMessage(json, open = message.Role);
            WriteParts(json, message);
        }

        if (open != Role.Unspecified) EndMessage(json);
        json.WriteEndArray();
    }

    private static void WriteSystem(Utf8JsonWriter json, IEnumerable<ConversationMessage> messages)
    {
        var parts = messages.Where(static message => message.Role == Role.System)
            .SelectMany(static message => message.Parts).Where(IsSent).ToList();
        if (parts.Count == 0) return;
        json.WriteStartArray("system");
        foreach (var part in parts) WriteText(json, part.Text);
        json.WriteEndArray();
    }

    private static void BeginMessage(Utf8JsonWriter json, Role role)
    {
        json.WriteStartObject();
        json.WriteString("role", role == Role.Assistant ? "assistant" : "user");
        json.WriteStartArray("content");
    }

    private static void EndMessage(Utf8JsonWriter json)
    {
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static bool IsSent(ContentPart part) => part.ContentCase switch
    {
        Content.Text => part.Text.Length > 0,
        Content.Refusal => part.Refusal.Length > 0,
        Content.Reasoning => AnthropicSignature.TryRead(part.Signature, out _, out _),
        _ => true,
    };

    private static void WriteParts(Utf8JsonWriter json, ConversationMessage message)
    {
        foreach (var part in message.Parts.Where(IsSent)) WritePart(json, part);
    }

    private static void WritePart(Utf8JsonWriter json, ContentPart part)
    {
        switch (part.ContentCase)
        {
            case Content.Text:
                WriteText(json, part.Text);
                break;
            case Content.Refusal:
                WriteText(json, part.Refusal);
                break;
            case Content.Image:
                WriteImage(json, part.Image);
                break;
            case Content.Reasoning:
                WriteReasoning(json, part);
                break;
            case Content.ToolCall:
                json.WriteStartObject();
                json.WriteString("type", "tool_use");
                json.WriteString("id", part.ToolCall.Id);
                json.WriteString("name", part.ToolCall.Name);
                json.WritePropertyName("input");
                json.WriteRawValue(part.ToolCall.ArgumentsJson.Length > 0 ? part.ToolCall.ArgumentsJson : "{}");
                json.WriteEndObject();
                break;
            case Content.ToolResult:
                WriteToolResult(json, part.ToolResult);
                break;
        }
    }

    private static void WriteText(Utf8JsonWriter json, string text)
    {
        json.WriteStartObject();
        json.WriteString("type", "text");
        json.WriteString("text", text);
        json.WriteEndObject();
    }

    private static void WriteImage(Utf8JsonWriter json, Image image)
    {
        json.WriteStartObject();
        json.WriteString("type", "image");
        json.WriteStartObject("source");
        if (image.SourceCase == Image.SourceOneofCase.Url)
        {
            json.WriteString("type", "url");
            json.WriteString("url", image.Url);
        }
        else
        {
            json.WriteString("type", "base64");
            json.WriteString("media_type", image.MediaType);
            json.WriteBase64String("data", image.Data.Span);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteReasoning(Utf8JsonWriter json, ContentPart part)
    {
        AnthropicSignature.TryRead(part.Signature, out var value, out var isRedacted);
        json.WriteStartObject();
        json.WriteString("type", isRedacted ? "redacted_thinking" : "thinking");
        if (!isRedacted) json.WriteString("thinking", part.Reasoning);
        json.WriteString(isRedacted ? "data" : "signature", value);
        json.WriteEndObject();
    }

    private static void WriteToolResult(Utf8JsonWriter json, ToolResult result)
    {
        json.WriteStartObject();
        json.WriteString("type", "tool_result");
        json.WriteString("tool_use_id", result.ToolCallId);
        if (result.IsError) json.WriteBoolean("is_error", true);
        if (result.Parts.Any(IsSent))
        {
            json.WriteStartArray("content");
            foreach (var part in result.Parts.Where(IsSent)) WritePart(json, part);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }
}
