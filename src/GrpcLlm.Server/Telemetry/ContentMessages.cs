using System.Buffers;
using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;
using Delta = GrpcLlm.V1.TokenChunk.DeltaOneofCase;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Writes prompts and answers as JSON after the schemas of <c>gen_ai.input.messages</c> and <c>gen_ai.output.messages</c>.
/// Every text is redacted whole, then cut; images are named, not written; signatures are left out. One instance, one JSON.
/// </summary>
internal sealed class ContentMessages : IDisposable
{
    private readonly ArrayBufferWriter<byte> _buffer = new(1024);
    private readonly Utf8JsonWriter _json;
    private readonly ContentPolicy _policy;
    private int _bytesLeft;

    private ContentMessages(ContentPolicy policy)
    {
        // The default encoder: one line, whatever the text holds.
        _json = new Utf8JsonWriter(_buffer);
        _policy = policy;
        _bytesLeft = policy.MaxBytes;
    }

    /// <summary>The prompt.</summary>
    public static string OfInput(ContentCapture content)
    {
        using var messages = new ContentMessages(content.Policy);
        return messages.Input(content.Request);
    }

    /// <summary>The answer, as far as it was sent.</summary>
    /// <param name="content">The answer.</param>
    /// <param name="finishReason">Why it ended, or <c>error</c>.</param>
    public static string OfOutput(ContentCapture content, string finishReason)
    {
        using var messages = new ContentMessages(content.Policy);
        return messages.Output(content, finishReason);
    }

    public void Dispose() => _json.Dispose();

    private string Input(GenerateRequest request)
    {
        _json.WriteStartArray();
        if (request.InputCase == GenerateRequest.InputOneofCase.Prompt)
        {
            BeginMessage("user");
            Text("text", request.Prompt);
            EndMessage(finishReason: null);
        }

        foreach (var message in request.Conversation?.Messages ?? [])
        {
            BeginMessage(Names<Role>.LowerOf(message.Role));
            foreach (var part in message.Parts) Part(part);
            EndMessage(finishReason: null);
        }

        return End();
    }

    private string Output(ContentCapture content, string finishReason)
    {
        _json.WriteStartArray();
        BeginMessage("assistant");
        if (content.IsTooLong) Text("text", "", isCut: true);
        foreach (var part in content.Parts)
        {
            var text = part.Text.ToString();
            if (part.Key.Kind == Delta.ToolCall) ToolCall(part.CallId, part.CallName, text);
            else Text(part.Key.Kind == Delta.Text ? "text" : part.Key.Kind == Delta.Reasoning ? "reasoning" : "refusal", text);
        }

        EndMessage(finishReason);
        return End();
    }

    private void Part(ContentPart part)
    {
        switch (part.ContentCase)
        {
            case ContentPart.ContentOneofCase.Image:
                Image(part.Image);
                break;
            case ContentPart.ContentOneofCase.ToolCall:
                ToolCall(part.ToolCall.Id, part.ToolCall.Name, part.ToolCall.ArgumentsJson);
                break;
            case ContentPart.ContentOneofCase.ToolResult:
                _json.WriteStartObject();
                _json.WriteString("type", "tool_call_response");
                _json.WriteString("id", _policy.Redact(part.ToolResult.ToolCallId));
                WriteCut("response", string.Concat(part.ToolResult.Parts.Select(static inner => inner.Text)));
                _json.WriteEndObject();
                break;
            case ContentPart.ContentOneofCase.Reasoning:
                Text("reasoning", part.Reasoning);
                break;
            case ContentPart.ContentOneofCase.Refusal:
                Text("refusal", part.Refusal);
                break;
            default:
                Text("text", part.Text);
                break;
        }
    }

    private void Image(Image image)
    {
        _json.WriteStartObject();
        var isUrl = image.SourceCase == V1.Image.SourceOneofCase.Url;
        _json.WriteString("type", isUrl ? "uri" : "blob");
        _json.WriteString("modality", "image");
        if (image.MediaType.Length > 0) _json.WriteString("mime_type", _policy.Redact(image.MediaType));
        if (isUrl) WriteCut("uri", image.Url);
        else _json.WriteNumber("size_bytes", image.Data.Length);
        _json.WriteEndObject();
    }

    private void ToolCall(string id, string name, string arguments)
    {
        _json.WriteStartObject();
        _json.WriteString("type", "tool_call");
        _json.WriteString("id", _policy.Redact(id));
        _json.WriteString("name", _policy.Redact(name));

        // As text: redacted, it need not be JSON any more.
        WriteCut("arguments", arguments);
        _json.WriteEndObject();
    }

    private void Text(string type, string text, bool isCut = false)
    {
        _json.WriteStartObject();
        _json.WriteString("type", type);
        WriteCut("content", text, isCut);
        _json.WriteEndObject();
    }

    private void WriteCut(string name, string text, bool isCut = false)
    {
        var redacted = _policy.Redact(text);
        var told = Utf8Text.Cut(redacted, _bytesLeft);
        _bytesLeft -= Encoding.UTF8.GetByteCount(told);
        _json.WriteString(name, told);
        if (isCut || told.Length < redacted.Length) _json.WriteBoolean("truncated", true);
    }

    private void BeginMessage(string role)
    {
        _json.WriteStartObject();
        _json.WriteString("role", role);
        _json.WriteStartArray("parts");
    }

    private void EndMessage(string? finishReason)
    {
        _json.WriteEndArray();
        if (finishReason is not null) _json.WriteString("finish_reason", finishReason);
        _json.WriteEndObject();
    }

    private string End()
    {
        _json.WriteEndArray();
        _json.Flush();
        return Encoding.UTF8.GetString(_buffer.WrittenSpan);
    }
}
