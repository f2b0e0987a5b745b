using System.Text;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Output;

/// <summary>
/// Prints an answer as it comes: every chunk is flushed, since a person or a pipe waits for it. Not thread-safe.
/// </summary>
internal sealed class ChunkPrinter(CliConsole console, CommonOptions common)
{
    private readonly SortedDictionary<uint, OpenCall> _calls = [];
    private bool _lineOpen;
    private bool _reasoningOpen;

    /// <summary>Prints one chunk.</summary>
    public async Task WriteAsync(TokenChunk chunk)
    {
        if (common.IsJson)
        {
            await console.Out.WriteLineAsync(JsonLine.Of(chunk));
            await console.Out.FlushAsync();
            return;
        }

        if (chunk.DeltaCase == TokenChunk.DeltaOneofCase.Reasoning && common.IsVerbose) await WriteReasoningAsync(chunk.Reasoning);
        if (chunk.DeltaCase == TokenChunk.DeltaOneofCase.Text) await WriteTextAsync(chunk.Text);
        if (chunk.DeltaCase == TokenChunk.DeltaOneofCase.Refusal) await WriteTextAsync(chunk.Refusal);
        if (chunk.DeltaCase == TokenChunk.DeltaOneofCase.ToolCall) await WriteCallAsync(chunk.ToolCall);
    }

    /// <summary>Ends the line of the answer, so that what follows on a terminal begins on its own.</summary>
    public async Task EndAsync()
    {
        if (_reasoningOpen) await console.Error.WriteLineAsync();
        _reasoningOpen = false;
        if (_lineOpen) await console.Out.WriteLineAsync();
        _lineOpen = false;
        await console.Out.FlushAsync();
        foreach (var call in _calls.Values) await console.Error.WriteLineAsync(TerminalText.Line($"tool call {call.Name} was cut off"));
        _calls.Clear();
    }

    private async Task WriteTextAsync(string text)
    {
        if (text.Length == 0) return;
        if (_reasoningOpen) await console.Error.WriteLineAsync();
        _reasoningOpen = false;

        // A file or a pipe gets the answer as it is.
        await console.Out.WriteAsync(console.OutputIsTerminal ? TerminalText.Block(text) : text);
        await console.Out.FlushAsync();
        _lineOpen = !text.EndsWith('\n');
    }

    private async Task WriteReasoningAsync(string text)
    {
        await console.Error.WriteAsync(TerminalText.Block(text));
        _reasoningOpen = !text.EndsWith('\n');
    }

    /// <summary>Prints a tool call once it is whole, on a line of its own: <c>tool_call ID NAME ARGUMENTS</c>.</summary>
    private async Task WriteCallAsync(ToolCallDelta delta)
    {
        if (!_calls.TryGetValue(delta.Index, out var call)) _calls.Add(delta.Index, call = new OpenCall(delta.Id, delta.Name));
        call.Arguments.Append(delta.ArgumentsFragment);
        if (!delta.Done) return;
        _calls.Remove(delta.Index);
        if (_reasoningOpen) await console.Error.WriteLineAsync();
        _reasoningOpen = false;
        if (_lineOpen) await console.Out.WriteLineAsync();
        _lineOpen = false;
        var arguments = call.Arguments.Length > 0 ? call.Arguments.ToString() : "{}";
        await console.Out.WriteLineAsync(TerminalText.Line($"tool_call {call.Id} {call.Name} {arguments}"));
        await console.Out.FlushAsync();
    }

    /// <summary>A tool call that still comes in.</summary>
    private sealed record OpenCall(string Id, string Name)
    {
        public StringBuilder Arguments { get; } = new();
    }
}
