using System.Text.Json;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>
/// The content blocks of an answer as parts of ours: one block, one part, in the provider's order. Blocks of the
/// provider's own work are no parts, and no more are blocks that say nothing. A block ends when the next one begins or the
/// message ends, for only then is it known whether a call without arguments is complete or was cut off.
/// Not thread-safe.
/// </summary>
internal sealed class AnthropicBlocks
{
    private readonly Dictionary<uint, AnthropicBlock> _running = [];
    private readonly ToolCallTracker _calls = new();
    private uint _nextPart;

    /// <summary>Deltas so far, for an estimate of the output.</summary>
    public uint Deltas { get; private set; }

    /// <summary>Whether the model called a tool of the caller's.</summary>
    public bool HasToolCalls => _calls.Any;

    /// <summary>Reads <c>content_block_start</c>.</summary>
    public void Begin(JsonElement root, List<BackendEvent> output)
    {
        foreach (var ended in _running.Values.ToList()) End(ended, output);
        if (JsonText.Child(root, "content_block") is not { } content) return;
        var index = JsonText.Count(root, "index") ?? 0;
        var block = new AnthropicBlock(KindOf(JsonText.Read(content, "type")), index);
        _running[index] = block;
        switch (block.Kind)
        {
            case AnthropicBlockKind.Text:
                AppendText(block, JsonText.Read(content, "text"), output);
                break;
            case AnthropicBlockKind.Thinking:
                AppendText(block, JsonText.Read(content, "thinking"), output);
                block.Signature = JsonText.Read(content, "signature");
                break;
            case AnthropicBlockKind.Redacted:
                output.Add(BackendEvent.PartSignature(
                    AnthropicSignature.OfRedacted(JsonText.Read(content, "data")), PartOf(block)));
                break;
            case AnthropicBlockKind.ToolUse:
                if (JsonText.Child(content, "input") is { ValueKind: JsonValueKind.Object } input
                    && input.EnumerateObject().Any()) block.WholeInput = input.GetRawText();
                Add(_calls.Begin(block.Key, JsonText.Read(content, "id"), JsonText.Read(content, "name"), PartOf(block)), output);
                break;
        }
    }

    /// <summary>Reads <c>content_block_delta</c>.</summary>
    public void Append(JsonElement root, List<BackendEvent> output)
    {
        if (JsonText.Child(root, "delta") is not { } delta
            || !_running.TryGetValue(JsonText.Count(root, "index") ?? 0, out var block)) return;
        switch (JsonText.Read(delta, "type"), block.Kind)
        {
            case ("text_delta", AnthropicBlockKind.Text):
                AppendText(block, JsonText.Read(delta, "text"), output);
                break;
            case ("thinking_delta", AnthropicBlockKind.Thinking):
                AppendText(block, JsonText.Read(delta, "thinking"), output);
                break;
            case ("signature_delta", AnthropicBlockKind.Thinking):
                block.Signature = JsonText.Read(delta, "signature");
                break;
            case ("input_json_delta", AnthropicBlockKind.ToolUse):
                if (_calls.Append(block.Key, JsonText.Read(delta, "partial_json")) is not { } piece) break;
                block.WholeInput = "";
                Add(piece, output);
                break;
        }
    }

    /// <summary>Reads <c>content_block_stop</c>: the signature is complete.</summary>
    public void Stop(JsonElement root, List<BackendEvent> output)
    {
        if (_running.TryGetValue(JsonText.Count(root, "index") ?? 0, out var block)) Sign(block, output);
    }

    /// <summary>The message ended.</summary>
    /// <param name="output">Where events go.</param>
    /// <param name="isCut">Whether it was cut off: a call that is not known to be complete is never done then.</param>
    /// <exception cref="BackendException">Malformed: a call's arguments are no JSON object.</exception>
    public void Complete(List<BackendEvent> output, bool isCut)
    {
        foreach (var block in _running.Values.ToList())
        {
            if (isCut) Sign(block, output);
            else End(block, output);
        }
    }

    private void End(AnthropicBlock block, List<BackendEvent> output)
    {
        _running.Remove(block.Index);
        Sign(block, output);
        if (block.Kind != AnthropicBlockKind.ToolUse) return;
        if (_calls.Append(block.Key, block.WholeInput) is { } whole) Add(whole, output);
        output.Add(_calls.End(block.Key));
    }

    private void Sign(AnthropicBlock block, List<BackendEvent> output)
    {
        if (block.Signature.Length == 0) return;
        output.Add(BackendEvent.PartSignature(AnthropicSignature.OfThinking(block.Signature), PartOf(block)));
        block.Signature = "";
    }

    private void AppendText(AnthropicBlock block, string text, List<BackendEvent> output)
    {
        if (text.Length == 0) return;
        Add(block.Kind == AnthropicBlockKind.Text
            ? BackendEvent.TextDelta(text, partIndex: PartOf(block))
            : BackendEvent.ReasoningDelta(text, partIndex: PartOf(block)), output);
    }

    private void Add(BackendEvent delta, List<BackendEvent> output)
    {
        Deltas += delta.TokenCount;
        output.Add(delta);
    }

    private uint PartOf(AnthropicBlock block) => block.Part ??= _nextPart++;

    private static AnthropicBlockKind KindOf(string type) => type switch
    {
        "text" => AnthropicBlockKind.Text,
        "thinking" => AnthropicBlockKind.Thinking,
        "redacted_thinking" => AnthropicBlockKind.Redacted,
        "tool_use" => AnthropicBlockKind.ToolUse,
        _ => AnthropicBlockKind.Own,
    };
}
