using System.Globalization;
using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Ollama;

/// <summary>
/// Reads an answer of <c>/api/chat</c>: lines with <c>message.thinking</c>, <c>message.content</c> and whole
/// <c>message.tool_calls</c>, the last one with <c>done: true</c>, <c>done_reason</c> and the counts; or a line
/// <c>{"error": …}</c>. A body that ends without <c>done</c> was cut. Not thread-safe.
/// </summary>
internal sealed class OllamaStream : ProviderStream
{
    private static readonly JsonReaderOptions Lenient = new() { AllowMultipleValues = true };

    private readonly PartCounter _parts = new();
    private readonly ToolCallTracker _calls = new();
    private bool _opened;
    private uint _callNumber;

    public override void Read(string eventType, ReadOnlySpan<byte> data, List<BackendEvent> output)
    {
        // A server that forgets a line feed puts two documents on a line.
        var reader = new Utf8JsonReader(data, Lenient);
        while (reader.Read())
        {
            using var document = JsonDocument.ParseValue(ref reader);
            ReadLine(document.RootElement, output);
        }
    }

    private void ReadLine(JsonElement line, List<BackendEvent> output)
    {
        if (line.ValueKind != JsonValueKind.Object)
            throw new BackendException(BackendFailure.Malformed, "The backend sent a line that is no JSON object.");
        if (line.TryGetProperty("error"u8, out var error) && error.ValueKind is not (JsonValueKind.Null or JsonValueKind.False))
        {
            throw UpstreamRefusal.InStream(
                (int)(JsonText.Count(line, "status_code") ?? 500), UpstreamRefusal.MessageOf(line), Secret);
        }

        if (IsOver) return;

        var before = output.Count;
        if (!_opened)
        {
            _opened = true;
            output.Add(BackendEvent.Opened(new BackendOpening { Model = JsonText.Read(line, "model") }));
            before = output.Count;
        }

        if (JsonText.Child(line, "message") is { } message) ReadMessage(message, OllamaLogprobs.Read(line), output);
        if (line.TryGetProperty("done"u8, out var done) && done.ValueKind == JsonValueKind.True) Finish(line);
        else if (output.Count == before) output.Add(BackendEvent.Alive);
    }

    private void ReadMessage(JsonElement message, IReadOnlyList<TokenDetail>? tokens, List<BackendEvent> output)
    {
        if (JsonText.Read(message, "thinking") is { Length: > 0 } thinking)
        {
            output.Add(BackendEvent.ReasoningDelta(thinking, CountOf(tokens), tokens, _parts.For(BackendEventKind.Reasoning)));
            tokens = null;
        }

        if (JsonText.Read(message, "content") is { Length: > 0 } content)
            output.Add(BackendEvent.TextDelta(content, CountOf(tokens), tokens, _parts.For(BackendEventKind.Text)));
        if (JsonText.Child(message, "tool_calls") is not { ValueKind: JsonValueKind.Array } calls) return;
        foreach (var call in calls.EnumerateArray()) ReadCall(call, output);
    }

    /// <summary>A call always comes whole, its arguments as an object; a string of JSON is taken as well.</summary>
    private void ReadCall(JsonElement call, List<BackendEvent> output)
    {
        if (JsonText.Child(call, "function") is not { } function) return;
        var arguments = "";
        if (function.ValueKind == JsonValueKind.Object && function.TryGetProperty("arguments"u8, out var value))
        {
            arguments = value.ValueKind switch
            {
                JsonValueKind.String => JsonText.Read(value),
                JsonValueKind.Null => "",
                _ => value.GetRawText(),
            };
        }

        var key = (_callNumber++).ToString("D", CultureInfo.InvariantCulture);
        output.Add(_calls.Begin(
            key, JsonText.Read(call, "id"), JsonText.Read(function, "name"), _parts.Begin(BackendEventKind.ToolCall), arguments));
        output.Add(_calls.End(key));
    }

    private void Finish(JsonElement line)
    {
        IsOver = true;
        var word = JsonText.Read(line, "done_reason");
        Ending = new BackendEnding(word switch
        {
            // Servers before the field had one end only.
            "stop" or "" => _calls.Any ? FinishReason.ToolCalls : FinishReason.Stop,
            "length" => FinishReason.Length,
            // `load` and `unload` answer a request without messages; anything else is newer than this code.
            _ => FinishReason.Other,
        })
        {
            RawReason = word,
            Usage = UsageOf(line),
        };
    }

    private static Usage? UsageOf(JsonElement line)
    {
        if (JsonText.Count(line, "eval_count") is not { } output) return null;
        var usage = new Usage { OutputTokens = output, Source = UsageSource.Reported };

        // Left out when the whole prompt came from the server's cache.
        if (JsonText.Count(line, "prompt_eval_count") is { } input) usage.InputTokens = input;
        return usage;
    }

    private static uint CountOf(IReadOnlyList<TokenDetail>? tokens) => (uint)(tokens?.Count ?? 1);
}
