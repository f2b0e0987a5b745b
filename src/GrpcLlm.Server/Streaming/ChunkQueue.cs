using System.Text;
using Google.Protobuf;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;
using Delta = GrpcLlm.V1.TokenChunk.DeltaOneofCase;

namespace GrpcLlm.Server.Streaming;

/// <summary>
/// Output that is ready and not yet handed to the transport. Deltas of the same kind, part and tool call merge into the
/// last chunk, up to <see cref="MaxMergedTokens"/> or <see cref="MaxMergedBytes"/>; once <see cref="HasRoom"/> is false
/// the relay stops reading, so memory per stream is bounded whatever the client does. Chunks are reused: one is valid
/// until <see cref="Recycle"/>. Not thread-safe.
/// </summary>
/// <remarks>
/// Hundreds of streams take turns, and what a stream keeps of its own is cold when its turn comes. So one chunk, the usual
/// case, waits in a field, and a spare chunk belongs to the thread, not to the stream.
/// </remarks>
internal sealed class ChunkQueue
{
    /// <summary>Most tokens of a merged chunk.</summary>
    public const int MaxMergedTokens = 64;

    /// <summary>Most bytes of UTF-8 of a merged chunk's delta.</summary>
    public const int MaxMergedBytes = 4096;

    /// <summary>Characters of one chunk's delta: at most 768 KiB of UTF-8, which leaves room under 1 MiB.</summary>
    public const int MaxDeltaChars = 256 * 1024;

    [ThreadStatic]
    private static TokenChunk? _spare;

    private TokenChunk? _head;
    private TokenChunk? _tail;
    private Queue<TokenChunk>? _behindHead;
    private List<(ByteString Signature, uint PartIndex)>? _earlySignatures;
    private int _tailBytes;
    private bool _anyDelta;

    /// <summary>Whether nothing waits.</summary>
    public bool IsEmpty => _head is null;

    /// <summary>Whether another event may be read: nothing waits, or one chunk that can still grow.</summary>
    public bool HasRoom => _head is null
        || (ReferenceEquals(_head, _tail) && _tail.TokenCount < MaxMergedTokens && _tailBytes < MaxMergedBytes);

    /// <summary>Tokens of the first waiting chunk.</summary>
    public uint WaitingTokens => _head?.TokenCount ?? 0;

    /// <summary>Appends text, reasoning or a refusal, and the tokens that it releases.</summary>
    public void AppendText(BackendEventKind kind, uint partIndex, string text, TokenLedger tokens)
    {
        while (text.Length > MaxDeltaChars)
        {
            var cut = char.IsHighSurrogate(text[MaxDeltaChars - 1]) ? MaxDeltaChars - 1 : MaxDeltaChars;
            AppendPiece(kind, partIndex, text[..cut], tokens);
            text = text[cut..];
        }

        AppendPiece(kind, partIndex, text, tokens);
    }

    /// <summary>Appends a piece of a tool call and the tokens that it releases.</summary>
    public void AppendToolCall(uint partIndex, ToolCallDelta delta, TokenLedger tokens)
    {
        var fragment = delta.ArgumentsFragment;
        var bytes = Encoding.UTF8.GetByteCount(fragment);
        if (CanMerge(Delta.ToolCall, partIndex, bytes, tokens) && _tail!.ToolCall.Index == delta.Index && !_tail.ToolCall.Done)
        {
            _tail.ToolCall.ArgumentsFragment += fragment;
            _tail.ToolCall.Done |= delta.Done;
            _tailBytes += bytes;
            tokens.MoveTo(_tail);
            return;
        }

        var piece = delta.Clone();
        while (piece.ArgumentsFragment.Length > MaxDeltaChars)
        {
            var text = piece.ArgumentsFragment;
            var cut = char.IsHighSurrogate(text[MaxDeltaChars - 1]) ? MaxDeltaChars - 1 : MaxDeltaChars;
            var first = new ToolCallDelta
            {
                Index = piece.Index, Id = piece.Id, Name = piece.Name, ArgumentsFragment = text[..cut],
            };
            Add(partIndex, tokens).ToolCall = first;
            piece = new ToolCallDelta { Index = piece.Index, ArgumentsFragment = text[cut..], Done = piece.Done };
        }

        Add(partIndex, tokens).ToolCall = piece;
        _tailBytes = Encoding.UTF8.GetByteCount(piece.ArgumentsFragment);
    }

    /// <summary>Appends a signature as a message of its own; never before the first delta, and nothing merges across.</summary>
    public void AppendSignature(ByteString signature, uint partIndex)
    {
        if (!_anyDelta)
        {
            (_earlySignatures ??= []).Add((signature, partIndex));
            return;
        }

        var chunk = Rent();
        chunk.PartIndex = partIndex;
        chunk.Signature = signature;
        Enqueue(chunk);
        _tail = null;
    }

    /// <summary>
    /// Makes the last message: the waiting chunk if there is one, else a new one, with the tokens never released.
    /// </summary>
    public void Close(TokenLedger tokens)
    {
        if (IsEmpty) Enqueue(_tail = Rent());
        tokens.MoveTo(_tail ?? (_behindHead is { Count: > 0 } more ? more.Last() : _head!));
    }

    /// <summary>Takes the next message to send.</summary>
    public TokenChunk Dequeue()
    {
        var chunk = _head ?? throw new InvalidOperationException("No chunk waits.");
        _head = _behindHead is { Count: > 0 } more ? more.Dequeue() : null;
        if (ReferenceEquals(chunk, _tail)) _tail = null;
        return chunk;
    }

    /// <summary>Gives back a chunk that the transport has serialized.</summary>
    public static void Recycle(TokenChunk chunk)
    {
        chunk.Sequence = 0;
        chunk.ElapsedUs = 0;
        chunk.TokenCount = 0;
        chunk.TokenGapsUs.Clear();
        chunk.Started = null;
        chunk.ClearDelta();
        chunk.Progress = null;
        chunk.Finish = null;
        chunk.Signature = ByteString.Empty;
        chunk.PartIndex = 0;
        chunk.Tokens.Clear();
        _spare = chunk;
    }

    private void AppendPiece(BackendEventKind kind, uint partIndex, string text, TokenLedger tokens)
    {
        var delta = kind switch
        {
            BackendEventKind.Text => Delta.Text,
            BackendEventKind.Reasoning => Delta.Reasoning,
            _ => Delta.Refusal,
        };
        var bytes = Encoding.UTF8.GetByteCount(text);
        if (CanMerge(delta, partIndex, bytes, tokens))
        {
            SetText(_tail!, delta, TextOf(_tail!, delta) + text);
            _tailBytes += bytes;
            tokens.MoveTo(_tail!);
            return;
        }

        SetText(Add(partIndex, tokens), delta, text);
        _tailBytes = bytes;
    }

    private bool CanMerge(Delta delta, uint partIndex, int bytes, TokenLedger tokens) =>
        _tail is not null && _tail.DeltaCase == delta && _tail.PartIndex == partIndex
        && _tail.TokenCount + tokens.Count <= MaxMergedTokens && _tailBytes + bytes <= MaxMergedBytes;

    private TokenChunk Add(uint partIndex, TokenLedger tokens)
    {
        var chunk = Rent();
        chunk.PartIndex = partIndex;
        tokens.MoveTo(chunk);
        Enqueue(chunk);
        _tail = chunk;
        if (_anyDelta) return chunk;

        _anyDelta = true;
        if (_earlySignatures is null) return chunk;
        foreach (var (signature, part) in _earlySignatures) AppendSignature(signature, part);
        _earlySignatures = null;
        return chunk;
    }

    private void Enqueue(TokenChunk chunk)
    {
        if (_head is null) _head = chunk;
        else (_behindHead ??= new Queue<TokenChunk>()).Enqueue(chunk);
    }

    private static TokenChunk Rent()
    {
        if (_spare is not { } chunk) return new TokenChunk();
        _spare = null;
        return chunk;
    }

    private static string TextOf(TokenChunk chunk, Delta delta) => delta switch
    {
        Delta.Text => chunk.Text,
        Delta.Reasoning => chunk.Reasoning,
        _ => chunk.Refusal,
    };

    private static void SetText(TokenChunk chunk, Delta delta, string text)
    {
        switch (delta)
        {
            case Delta.Text:
                chunk.Text = text;
                break;
            case Delta.Reasoning:
                chunk.Reasoning = text;
                break;
            default:
                chunk.Refusal = text;
                break;
        }
    }
}
