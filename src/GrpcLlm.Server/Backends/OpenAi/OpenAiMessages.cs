using System.Text.Json;
using Google.Protobuf.Collections;
using GrpcLlm.V1;
using Content = GrpcLlm.V1.ContentPart.ContentOneofCase;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>
/// Writes a conversation as <c>messages</c> of chat completions.
/// <list type="bullet">
/// <item>Reasoning of earlier answers and signatures are left out: the format has no place for them. A message that held
/// nothing else is left out whole.</item>
/// <item>An assistant's message has one text, one refusal and a list of calls: parts of a kind are joined as their deltas
/// would be, and the order between kinds is lost.</item>
/// <item>A tool's message answers one call, so a message of several results becomes several. There is no mark of failure:
/// the parts say how it failed, and <c>error</c> stands where there are none.</item>
/// </list>
/// Stateless and thread-safe.
/// </summary>
internal static class OpenAiMessages
{
    /// <summary>Writes the property <c>messages</c>.</summary>
    public static void Write(Utf8JsonWriter json, GenerateRequest request)
    {
        json.WriteStartArray("messages");
        if (request.InputCase == GenerateRequest.InputOneofCase.Prompt)
        {
            json.WriteStartObject();
            json.WriteString("role", "user");
            json.WriteString("content", request.Prompt);
            json.WriteEndObject();
        }

        foreach (var message in request.Conversation?.Messages ?? [])
        {
            switch (message.Role)
            {
                case Role.Assistant:
                    WriteAssistant(json, message);
                    break;
                case Role.Tool:
                    foreach (var part in message.Parts) WriteToolResult(json, part.ToolResult);
                    break;
                default:
                    json.WriteStartObject();
                    json.WriteString("role", message.Role == Role.System ? "system" : "user");
                    WriteContent(json, message.Parts);
                    json.WriteEndObject();
                    break;
            }
        }

        json.WriteEndArray();
    }

    private static void WriteAssistant(Utf8JsonWriter json, ConversationMessage message)
    {
        var calls = message.Parts.Where(static part => part.ContentCase == Content.ToolCall).ToList();
        var hasText = message.Parts.Any(static part => part.ContentCase == Content.Text);
        var hasRefusal = message.Parts.Any(static part => part.ContentCase == Content.Refusal);
        if (calls.Count == 0 && !hasText && !hasRefusal) return;

        json.WriteStartObject();
        json.WriteString("role", "assistant");
        if (hasText) json.WriteString("content", string.Concat(message.Parts.Select(static part => part.Text)));
        else json.WriteNull("content");
        if (hasRefusal) json.WriteString("refusal", string.Concat(message.Parts.Select(static part => part.Refusal)));
        if (calls.Count > 0)
        {
            json.WriteStartArray("tool_calls");
            foreach (var part in calls) WriteToolCall(json, part.ToolCall);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteToolCall(Utf8JsonWriter json, ToolCall call)
    {
        json.WriteStartObject();
        json.WriteString("id", call.Id);
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        json.WriteString("name", call.Name);
        json.WriteString("arguments", call.ArgumentsJson.Length > 0 ? call.ArgumentsJson : "{}");
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteToolResult(Utf8JsonWriter json, ToolResult result)
    {
        json.WriteStartObject();
        json.WriteString("role", "tool");
        json.WriteString("tool_call_id", result.ToolCallId);
        if (result.Parts.Count == 0) json.WriteString("content", result.IsError ? "error" : "");
        else WriteContent(json, result.Parts);
        json.WriteEndObject();
    }

    /// <summary>One text as a string, which every server takes; else the list of parts.</summary>
    private static void WriteContent(Utf8JsonWriter json, RepeatedField<ContentPart> parts)
    {
        if (parts is [{ ContentCase: Content.Text }])
        {
            json.WriteString("content", parts[0].Text);
            return;
        }

        json.WriteStartArray("content");
        foreach (var part in parts)
        {
            json.WriteStartObject();
            if (part.ContentCase == Content.Image)
            {
                WriteImage(json, part.Image);
            }
            else
            {
                json.WriteString("type", "text");
                json.WriteString("text", part.Text);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteImage(Utf8JsonWriter json, Image image)
    {
        json.WriteString("type", "image_url");
        json.WriteStartObject("image_url");
        json.WriteString("url", image.SourceCase == Image.SourceOneofCase.Data
            ? $"data:{image.MediaType};base64,{Convert.ToBase64String(image.Data.Span)}" : image.Url);
        if (image.Detail != ImageDetail.Unspecified) json.WriteString("detail", image.Detail == ImageDetail.Low ? "low" : "high");
        json.WriteEndObject();
    }
}
