using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;
using Content = GrpcLlm.V1.ContentPart.ContentOneofCase;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>
/// Writes <c>systemInstruction</c> and <c>contents</c>. System messages, which stand at the beginning, are the instruction;
/// results of parallel calls are one turn, even if they come in several messages, since the API wants them together. Parts
/// keep their order and borders, and each carries its own signature back. Empty parts without a signature are left out:
/// the API refuses them. A refusal of an earlier answer is its text. Stateless and thread-safe.
/// </summary>
internal static class GeminiContents
{
    /// <summary>
    /// What the API takes in place of a signature for a call that another model made
    /// (ai.google.dev/gemini-api/docs/thought-signatures): without one, models of the third generation refuse the turn.
    /// </summary>
    public const string ForeignCallSignature = "skip_thought_signature_validator";

    /// <summary>Writes both properties.</summary>
    public static void Write(Utf8JsonWriter json, BackendCall call)
    {
        var messages = call.Request.Conversation?.Messages ?? [];
        var system = messages.Where(static message => message.Role == Role.System).SelectMany(static message => message.Parts)
            .Where(static part => part.Text.Length > 0).ToList();
        if (system.Count > 0)
        {
            json.WriteStartObject("systemInstruction"u8);
            json.WriteStartArray("parts"u8);
            foreach (var part in system) WriteText(json, part.Text, null);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteStartArray("contents"u8);
        if (call.Request.InputCase == GenerateRequest.InputOneofCase.Prompt)
        {
            BeginTurn(json, Role.User);
            WriteText(json, call.Request.Prompt, null);
            EndTurn(json);
        }

        var toolNames = new Dictionary<string, string>(StringComparer.Ordinal);
        var before = Role.Unspecified;
        foreach (var message in messages.Where(static message => message.Role != Role.System && message.Parts.Any(IsWritten)))
        {
            if (before != Role.Unspecified && !(before == Role.Tool && message.Role == Role.Tool)) EndTurn(json);
            if (!(before == Role.Tool && message.Role == Role.Tool)) BeginTurn(json, message.Role);
            before = message.Role;
            WriteParts(json, message, call.Model, toolNames);
        }

        if (before != Role.Unspecified) EndTurn(json);
        json.WriteEndArray();
    }

    private static void BeginTurn(Utf8JsonWriter json, Role role)
    {
        json.WriteStartObject();
        json.WriteString("role"u8, role == Role.Assistant ? "model"u8 : "user"u8);
        json.WriteStartArray("parts"u8);
    }

    private static void EndTurn(Utf8JsonWriter json)
    {
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static bool IsWritten(ContentPart part) => part.ContentCase is Content.Image or Content.ToolCall or Content.ToolResult
        || part.Text.Length + part.Reasoning.Length + part.Refusal.Length > 0 || SignatureOf(part) is not null;

    private static void WriteParts(
        Utf8JsonWriter json, ConversationMessage message, string model, Dictionary<string, string> toolNames)
    {
        var isFirstCall = true;
        foreach (var part in message.Parts.Where(IsWritten))
        {
            var signature = SignatureOf(part);
            switch (part.ContentCase)
            {
                case Content.Image:
                    json.WriteStartObject();
                    WriteImage(json, part.Image);
                    json.WriteEndObject();
                    break;
                case Content.Reasoning:
                    // Nothing but a signature: it came in a part without text that was not marked as a thought.
                    WriteText(json, part.Reasoning, signature, isThought: part.Reasoning.Length > 0);
                    break;
                case Content.ToolCall:
                    if (isFirstCall && GeminiModelNames.IsThirdGeneration(model)) signature ??= ForeignCallSignature;
                    isFirstCall = false;
                    toolNames[part.ToolCall.Id] = part.ToolCall.Name;
                    WriteCall(json, part.ToolCall, signature);
                    break;
                case Content.ToolResult:
                    GeminiToolResult.Write(json, part.ToolResult, toolNames);
                    break;
                default:
                    WriteText(json, part.Text + part.Refusal, signature);
                    break;
            }
        }
    }

    private static void WriteText(Utf8JsonWriter json, string text, string? signature, bool isThought = false)
    {
        json.WriteStartObject();
        json.WriteString("text"u8, text);
        if (isThought) json.WriteBoolean("thought"u8, true);
        if (signature is not null) json.WriteString("thoughtSignature"u8, signature);
        json.WriteEndObject();
    }

    private static void WriteCall(Utf8JsonWriter json, ToolCall call, string? signature)
    {
        json.WriteStartObject();
        json.WriteStartObject("functionCall"u8);
        json.WriteString("id"u8, call.Id);
        json.WriteString("name"u8, call.Name);
        json.WritePropertyName("args"u8);
        json.WriteRawValue(call.ArgumentsJson.Length > 0 ? call.ArgumentsJson : "{}", skipInputValidation: true);
        json.WriteEndObject();
        if (signature is not null) json.WriteString("thoughtSignature"u8, signature);
        json.WriteEndObject();
    }

    /// <summary>Writes the property <c>inlineData</c>.</summary>
    public static void WriteImage(Utf8JsonWriter json, Image image)
    {
        json.WriteStartObject("inlineData"u8);
        json.WriteString("mimeType"u8, image.MediaType);
        json.WriteBase64String("data"u8, image.Data.Span);
        json.WriteEndObject();
    }

    private static string? SignatureOf(ContentPart part) =>
        part.Signature.IsEmpty ? null : SignatureEnvelope.Unwrap(GeminiProvider.BackendKind, part.Signature);
}
