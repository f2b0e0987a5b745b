using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>
/// Reads one answer: chunks of chat completions (https://platform.openai.com/docs/api-reference/chat-streaming) with the
/// habits of those who copied the format. A server that does not stream and answers with one whole completion is read
/// too. Not thread-safe; one answer, one instance.
/// </summary>
internal sealed class OpenAiStream : ProviderStream
{
    private readonly bool _wantsTokens;
    private readonly long? _seed;
    private readonly PartCounter _parts = new();
    private readonly OpenAiTextChunk _textChunk = new();
    private OpenAiToolCalls? _calls;
    private uint? _inputTokens;
    private bool _opened;
    private bool _saidAnything;

    /// <param name="request">What was asked for.</param>
    public OpenAiStream(GenerateRequest request)
    {
        _wantsTokens = request.Output is { } output && (output.Logprobs || output.TopLogprobs > 0);
        _seed = request.Sampling is { HasSeed: true } sampling ? sampling.Seed : null;
    }

    private OpenAiToolCalls Calls => _calls ??= new OpenAiToolCalls(_parts);

    public override void Read(string eventType, ReadOnlySpan<byte> data, List<BackendEvent> output)
    {
        data = data.Trim(" \t\r\n"u8);
        if (data.IsEmpty) return;
        if (data.SequenceEqual("[DONE]"u8))
        {
            IsOver = true;
            return;
        }

        // Other names of events are nobody's business, unless they hold a chunk all the same.
        var isKnown = eventType is "message" or "error" or "";
        if (!isKnown && data[0] != (byte)'{') return;
        if (eventType == "message" && !_wantsTokens && _textChunk.Read(data) is { } text)
        {
            Say(BackendEventKind.Text, text, output);
            return;
        }

        var reader = new Utf8JsonReader(data);
        using var document = JsonDocument.ParseValue(ref reader);
        ReadDocument(document.RootElement, eventType, output);
    }

    public override void Complete(List<BackendEvent> output)
    {
        // Snowflake ends with [DONE] and gives no reason at all: complete. An end without anything is none.
        if (Ending is null && IsOver && _saidAnything) Ending = new BackendEnding(FinishReason.Stop);
        if (Ending is null) return;
        Open(output);
        if (_calls is { Any: true } && Ending.Reason is FinishReason.Stop) Ending = Ending with { Reason = FinishReason.ToolCalls };
        if (Ending.Reason == FinishReason.ToolCalls) _calls?.End(output);
    }

    private void ReadDocument(JsonElement root, string eventType, List<BackendEvent> output)
    {
        var choice = ChoiceOf(root);
        if (OpenAiUsage.Of(root, choice) is { } usage)
        {
            _saidAnything = true;
            if (usage.HasInputTokens) _inputTokens = usage.InputTokens;
            output.Add(BackendEvent.UsageSoFar(usage));
        }

        if (OpenAiError.Of(root, eventType, Secret) is { } error) throw error;
        if (root.ValueKind != JsonValueKind.Object)
            throw new BackendException(BackendFailure.Malformed, "The backend sent what is no chunk of an answer.");

        if (JsonText.Read(root, "id") is { Length: > 0 } id) _textChunk.Id = id;
        if (JsonText.Read(root, "model") is { Length: > 0 } model) _textChunk.Model = model;
        if (choice is { } one) ReadChoice(one, output);
    }

    private void ReadChoice(JsonElement choice, List<BackendEvent> output)
    {
        // Perplexity sends the whole message beside each delta, Hugging Face the text: the delta counts, once.
        var tokens = OpenAiTokens.Of(choice, _wantsTokens);
        if ((JsonText.Child(choice, "delta") ?? JsonText.Child(choice, "message")) is { ValueKind: JsonValueKind.Object } delta)
            ReadDelta(delta, tokens, output);
        else
            Say(BackendEventKind.Text, JsonText.Read(choice, "text"), output, tokens.Content);

        if (JsonText.Read(choice, "finish_reason") is not { Length: > 0 } word) return;
        if (word == "error") throw UpstreamRefusal.InStream(500, "", Secret);
        Ending = OpenAiEnding.Of(word, choice);
    }

    private void ReadDelta(JsonElement delta, OpenAiTokens tokens, List<BackendEvent> output)
    {
        Say(BackendEventKind.Reasoning, OpenAiReasoning.Of(delta), output);
        if (delta.TryGetProperty("content", out var content)) ReadContent(content, tokens, output);
        Say(BackendEventKind.Refusal, JsonText.Read(delta, "refusal"), output, tokens.Refusal);
        var before = output.Count;
        if (delta.TryGetProperty("tool_calls", out var calls)) Calls.Read(calls, output);
        else if (JsonText.Child(delta, "function_call") is { } call) Calls.ReadOne(call, call, "function", output);
        if (output.Count == before) return;
        _saidAnything = true;
        if (!_opened) output.Insert(before, Opening());
    }

    /// <summary>A text, or Mistral's list of parts.</summary>
    private void ReadContent(JsonElement content, OpenAiTokens tokens, List<BackendEvent> output)
    {
        if (content.ValueKind != JsonValueKind.Array)
        {
            Say(BackendEventKind.Text, JsonText.Read(content), output, tokens.Content);
            return;
        }

        foreach (var part in content.EnumerateArray())
        {
            switch (JsonText.Read(part, "type"))
            {
                case "text":
                    Say(BackendEventKind.Text, JsonText.Read(part, "text"), output);
                    break;
                case "thinking":
                    Say(BackendEventKind.Reasoning, OpenAiReasoning.OfThinking(part), output);
                    break;
            }
        }
    }

    private void Say(
        BackendEventKind kind, string text, List<BackendEvent> output, IReadOnlyList<TokenDetail>? tokens = null)
    {
        // A token may show no text: it holds the beginning of a character.
        if (text.Length == 0 && tokens is not { Count: > 0 }) return;
        Open(output);
        _saidAnything = true;
        var count = tokens is { Count: > 0 } ? (uint)tokens.Count : 1;
        var part = _parts.For(kind);
        output.Add(kind switch
        {
            BackendEventKind.Reasoning => BackendEvent.ReasoningDelta(text, count, tokens, part),
            BackendEventKind.Refusal => BackendEvent.RefusalDelta(text, count, tokens, part),
            _ => BackendEvent.TextDelta(text, count, tokens, part),
        });
    }

    private void Open(List<BackendEvent> output)
    {
        if (!_opened) output.Add(Opening());
    }

    private BackendEvent Opening()
    {
        _opened = true;
        return BackendEvent.Opened(new BackendOpening
        {
            InputTokens = _inputTokens,
            Seed = _seed,
            Model = _textChunk.Model,
            ResponseId = _textChunk.Id,
        });
    }

    /// <summary>The first choice; others were not asked for.</summary>
    private static JsonElement? ChoiceOf(JsonElement root)
    {
        if (JsonText.Child(root, "choices") is not { ValueKind: JsonValueKind.Array } choices) return null;
        foreach (var choice in choices.EnumerateArray())
        {
            if (choice.ValueKind == JsonValueKind.Object && JsonText.Count(choice, "index") is null or 0) return choice;
        }

        return null;
    }
}
