using Google.Protobuf;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Chat;

/// <summary>A random answer of several parts, signed or not, as the chunks of a stream.</summary>
internal sealed class RandomAnswer
{
    private readonly Random _random;
    private readonly List<TokenChunk> _chunks = [];
    private readonly List<TokenChunk> _early = [];
    private uint _calls;
    private bool _begun;

    public RandomAnswer(int seed)
    {
        _random = new Random(seed);
        var parts = _random.Next(1, 6);
        for (uint index = 0; index < parts; index++) AddPart(index, isLast: index == parts - 1);
        _chunks.Add(new TokenChunk
        {
            Finish = new Finish { Reason = _calls > 0 ? FinishReason.ToolCalls : FinishReason.Stop, Model = "tiny", Usage = new Usage { OutputTokens = 3 } },
        });
        for (var i = 0; i < _chunks.Count; i++) _chunks[i].Sequence = (ulong)i + 1;
        _chunks[0].Started = new Started { RequestId = Client.Tests.Chunks.RequestId, Model = "tiny", Backend = "b" };
    }

    public IReadOnlyList<TokenChunk> Chunks => _chunks;

    private void AddPart(uint index, bool isLast)
    {
        var kind = _random.Next(6);
        if (kind == 0 && !isLast)
        {
            AddSignature(index);
            return;
        }

        var pieces = _random.Next(1, 4);
        var signedAt = _random.Next(2) == 0 ? _random.Next(pieces) : -1;
        for (var piece = 0; piece < pieces; piece++)
        {
            var chunk = new TokenChunk { PartIndex = index, TokenCount = 1 };
            if (kind == 1) chunk.Reasoning = Word(piece);
            else if (kind == 2) chunk.Refusal = Word(piece);
            else if (kind == 3) chunk.ToolCall = CallPiece(piece, pieces);
            else chunk.Text = Word(piece);

            // With a delta, or as a message of its own behind one; text may go on behind it.
            if (piece == signedAt && _random.Next(2) == 0) (chunk.Signature, signedAt) = (Bytes(), -1);
            Add(chunk);
            if (piece == signedAt) AddSignature(index);
        }

        if (kind == 3) _calls++;
    }

    private void Add(TokenChunk chunk)
    {
        _chunks.Add(chunk);
        if (_begun) return;
        _begun = true;
        _chunks.AddRange(_early);
    }

    /// <summary>Never before the first token: until then it waits.</summary>
    private void AddSignature(uint index) =>
        (_begun ? _chunks : _early).Add(new TokenChunk { PartIndex = index, Signature = Bytes() });

    private ToolCallDelta CallPiece(int piece, int pieces)
    {
        var delta = new ToolCallDelta { Index = _calls, Done = piece == pieces - 1 };
        if (piece == 0) (delta.Id, delta.Name) = ($"call:{_calls}", "weather");
        if (pieces == 1) delta.ArgumentsFragment = """{"city":"Bern","n":1.50}""";
        else if (piece == 0) delta.ArgumentsFragment = "{\"city\":\"Be";
        else if (delta.Done) delta.ArgumentsFragment = "rn\"}";
        return delta;
    }

    /// <summary>A piece of text; the first of a part is never empty.</summary>
    private string Word(int piece) => _random.Next(5) switch { 0 when piece > 0 => "", 1 => "a", 2 => " é😀", 3 => "\n", _ => "word " };

    private ByteString Bytes()
    {
        var bytes = new byte[_random.Next(1, 12)];
        _random.NextBytes(bytes);
        return ByteString.CopyFrom(bytes);
    }
}
