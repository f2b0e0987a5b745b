using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Streaming;

/// <summary>
/// Turns a backend's deltas into chunks of the contract: whole code points, no part of a stop sequence, every token
/// counted once with its gap. Not thread-safe.
/// </summary>
internal sealed class DeltaAssembler(ChunkQueue queue, GenerationRecord record, StopSequenceMatcher? stops)
{
    private readonly TokenLedger _tokens = new();
    private SurrogateJoiner _joiner;
    private BackendEventKind _kind;
    private uint _partIndex;
    private uint _toolIndex;

    /// <summary>Takes one event of the answer.</summary>
    /// <param name="piece">A delta or a signature.</param>
    /// <param name="arrival">When it arrived, in microseconds since acceptance.</param>
    /// <returns>The stop sequence that is complete with it; null while none is.</returns>
    public string? Accept(in BackendEvent piece, long arrival)
    {
        // Text of the part may go on behind its signature, so what is held stays held.
        if (piece.Kind == BackendEventKind.Signature)
        {
            queue.AppendSignature(piece.Signature, piece.PartIndex);
            return null;
        }

        var found = piece.Kind != _kind || piece.PartIndex != _partIndex ? FlushText() : null;
        (_kind, _partIndex) = (piece.Kind, piece.PartIndex);

        if (piece.TokenCount > 0)
        {
            record.TokensArrived(piece.TokenCount, arrival, piece.Kind == BackendEventKind.Reasoning);
            _tokens.Add(piece.TokenCount, arrival, piece.Tokens);
        }

        if (found is not null) return found;
        if (piece.Kind != BackendEventKind.ToolCall) return AcceptText(piece);
        AcceptToolCall(piece);
        return null;
    }

    /// <summary>The answer is over: lets out what was held and makes the last message.</summary>
    /// <returns>The stop sequence that is complete; null if there is none.</returns>
    public string? Close()
    {
        var found = FlushText();
        queue.Close(_tokens);
        return found;
    }

    /// <summary>The answer broke off: lets out what was held, without making a message for tokens alone.</summary>
    /// <returns>The stop sequence that is complete with the U+FFFD of half a character; null if there is none.</returns>
    public string? FlushText()
    {
        var rest = _joiner.Flush();
        var isText = _kind == BackendEventKind.Text;
        if (isText && stops is not null) rest = stops.Push(rest) + stops.Flush();
        if (rest.Length > 0)
        {
            if (_kind == BackendEventKind.ToolCall)
                queue.AppendToolCall(_partIndex, new ToolCallDelta { Index = _toolIndex, ArgumentsFragment = rest }, _tokens);
            else
                queue.AppendText(_kind, _partIndex, rest, _tokens);
        }

        return isText ? stops?.Found : null;
    }

    private string? AcceptText(in BackendEvent piece)
    {
        var text = _joiner.Push(piece.Text);
        if (piece.Kind == BackendEventKind.Text && stops is not null) text = stops.Push(text);
        if (text.Length > 0) queue.AppendText(piece.Kind, piece.PartIndex, text, _tokens);
        return piece.Kind == BackendEventKind.Text ? stops?.Found : null;
    }

    private void AcceptToolCall(in BackendEvent piece)
    {
        var delta = piece.ToolCall!;
        if (delta.Index != _toolIndex) FlushText();
        _toolIndex = delta.Index;
        var fragment = _joiner.Push(delta.ArgumentsFragment);
        if (!ReferenceEquals(fragment, delta.ArgumentsFragment))
        {
            delta = delta.Clone();
            delta.ArgumentsFragment = fragment;
        }

        queue.AppendToolCall(piece.PartIndex, delta, _tokens);
    }
}
