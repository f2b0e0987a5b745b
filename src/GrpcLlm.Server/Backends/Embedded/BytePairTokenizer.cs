using System.Text;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Byte-level BPE, as in GPT-2: words by <see cref="Gpt2WordSplitter"/>, their UTF-8 bytes joined by the rank of
/// merges. Every text can be encoded and comes back unchanged.
/// </summary>
internal sealed class BytePairTokenizer : Tokenizer
{
    private const string MergesKey = "tokenizer.ggml.merges";
    private const string SplitterKey = "tokenizer.ggml.pre";

    private readonly int[] _byteTokens = new int[256];
    private readonly Dictionary<(int Left, int Right), (int Rank, int Token)> _merges;

    public BytePairTokenizer(Vocabulary vocabulary, GgufMetadata metadata)
        : base(vocabulary)
    {
        string splitter = metadata.GetString(SplitterKey);
        if (splitter is not "gpt-2")
            throw new EmbeddedModelException($"{SplitterKey} is '{splitter}'; only 'gpt-2' is known");

        Dictionary<string, int> index = vocabulary.IndexPieces(TokenKind.Normal);
        for (int value = 0; value < _byteTokens.Length; value++)
        {
            if (!index.TryGetValue(ByteAlphabet.ToCharacter((byte)value).ToString(), out _byteTokens[value]))
                throw new EmbeddedModelException($"tokenizer.ggml.tokens has no token for the byte 0x{value:X2}");
        }

        _merges = ReadMerges(metadata, index);
    }

    protected override void EncodePlain(string text, List<int> tokens)
    {
        var merger = new PieceMerger(TryJoin);
        Span<byte> utf8 = stackalloc byte[4];
        for (int start = 0, length; start < text.Length; start += length)
        {
            length = Gpt2WordSplitter.FirstWord(text.AsSpan(start));
            int place = 0;
            foreach (Rune rune in text.AsSpan(start, length).EnumerateRunes())
            {
                foreach (byte value in utf8[..rune.EncodeToUtf8(utf8)]) merger.Add(place++, 1, _byteTokens[value]);
            }

            merger.Merge(piece => tokens.Add(piece.Token));
        }
    }

    private bool TryJoin(in PieceMerger.Piece left, in PieceMerger.Piece right, out double rank, out int token)
    {
        bool found = _merges.TryGetValue((left.Token, right.Token), out (int Rank, int Token) merge);
        (rank, token) = merge;
        return found;
    }

    // A merge is written "left right"; neither half holds a space.
    private static Dictionary<(int Left, int Right), (int Rank, int Token)> ReadMerges(
        GgufMetadata metadata, Dictionary<string, int> index)
    {
        string[] lines = metadata.GetArray<string>(MergesKey)
            ?? throw new EmbeddedModelException($"the key {MergesKey} is missing");
        var merges = new Dictionary<(int Left, int Right), (int Rank, int Token)>(lines.Length);
        for (int rank = 0; rank < lines.Length; rank++)
        {
            string line = lines[rank];
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space <= 0 ||
                !index.TryGetValue(line[..space], out int left) ||
                !index.TryGetValue(line[(space + 1)..], out int right) ||
                !index.TryGetValue(string.Concat(line.AsSpan(0, space), line.AsSpan(space + 1)), out int token))
            {
                throw new EmbeddedModelException($"{MergesKey}[{rank}] does not join two tokens to a third");
            }

            merges.TryAdd((left, right), (rank, token));
        }

        return merges;
    }
}
