using System.Buffers;
using System.Text;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Byte-level BPE, as in GPT-2: words by <see cref="WordSplitter"/>, their UTF-8 bytes joined by the rank of merges. Every
/// text comes back unchanged, unless the vocabulary lacks one of its bytes and has a token for unknown text instead.
/// </summary>
internal sealed class BytePairTokenizer : Tokenizer
{
    private const string MergesKey = "tokenizer.ggml.merges";

    private readonly int[] _byteTokens = new int[256];
    private readonly Dictionary<(int Left, int Right), (int Rank, int Token)> _merges;
    private readonly WordSplitter _splitter;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _index;

    public BytePairTokenizer(Vocabulary vocabulary, GgufMetadata metadata)
        : base(vocabulary)
    {
        _splitter = vocabulary.Splitter ?? throw new ArgumentException("Not a byte-level vocabulary.", nameof(vocabulary));
        Dictionary<string, int> index = vocabulary.IndexPieces(TokenKind.Normal);
        for (int value = 0; value < _byteTokens.Length; value++)
        {
            if (index.TryGetValue(ByteAlphabet.ToCharacter((byte)value).ToString(), out _byteTokens[value])) continue;
            _byteTokens[value] = vocabulary.UnknownToken ?? (IsInUtf8((byte)value)
                ? throw new EmbeddedModelException($"tokenizer.ggml.tokens has no token for the byte 0x{value:X2}")
                : 0);
        }

        _index = index.GetAlternateLookup<ReadOnlySpan<char>>();
        _merges = ReadMerges(metadata, index);
    }

    protected override void EncodePlain(string text, List<int> tokens)
    {
        var merger = new PieceMerger(TryJoin);
        int start = 0;
        foreach (int length in _splitter.Split(text))
        {
            ReadOnlySpan<char> word = text.AsSpan(start, length);
            start += length;
            if (_splitter.TakesWholeWords && TryTakeWhole(word, out int whole))
            {
                tokens.Add(whole);
                continue;
            }

            AddBytes(word, merger);
            merger.Merge(piece => tokens.Add(piece.Token));
        }
    }

    private void AddBytes(ReadOnlySpan<char> word, PieceMerger merger)
    {
        Span<byte> utf8 = stackalloc byte[LongestCharacter];
        int place = 0;
        foreach (Rune rune in word.EnumerateRunes())
        {
            foreach (byte value in utf8[..rune.EncodeToUtf8(utf8)]) merger.Add(place++, 1, _byteTokens[value]);
        }
    }

    private bool TryTakeWhole(ReadOnlySpan<char> word, out int token)
    {
        token = 0;
        if (word.Length > Vocabulary.LongestToken) return false; // a unit has at least a byte
        int bytes = Encoding.UTF8.GetByteCount(word);
        if (bytes > Vocabulary.LongestToken) return false;
        byte[] utf8 = ArrayPool<byte>.Shared.Rent(bytes);
        char[] piece = ArrayPool<char>.Shared.Rent(bytes);
        Encoding.UTF8.GetBytes(word, utf8);
        for (int i = 0; i < bytes; i++) piece[i] = ByteAlphabet.ToCharacter(utf8[i]);
        bool isToken = _index.TryGetValue(piece.AsSpan(0, bytes), out token);
        ArrayPool<byte>.Shared.Return(utf8);
        ArrayPool<char>.Shared.Return(piece);
        return isToken;
    }

    // These never occur in UTF-8, so a vocabulary may do without them.
    private static bool IsInUtf8(byte value) => value is not (0xC0 or 0xC1 or >= 0xF5);

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
