using System.Globalization;
using System.Text;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// SentencePiece's BPE, as in Llama: spaces become U+2581, characters are joined by the score of the piece that they
/// make, and what has no piece falls apart into bytes.
/// </summary>
internal sealed class SentencePieceTokenizer : Tokenizer
{
    /// <summary>What a piece has for a space.</summary>
    public const char Space = '\u2581';

    private const string Keys = "tokenizer.ggml.";

    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _index;
    private readonly float[] _scores;
    private readonly int[] _byteTokens = new int[256];
    private readonly bool _addSpacePrefix;

    public SentencePieceTokenizer(Vocabulary vocabulary, GgufMetadata metadata)
        : base(vocabulary)
    {
        if (metadata.GetBoolean(Keys + "remove_extra_whitespaces", false))
            throw new EmbeddedModelException($"{Keys}remove_extra_whitespaces is set, which is not done");
        if (metadata.Has(Keys + "precompiled_charsmap"))
            throw new EmbeddedModelException($"{Keys}precompiled_charsmap is there, which is not applied");

        _scores = metadata.GetArray<float>(Keys + "scores")
            ?? throw new EmbeddedModelException($"the key {Keys}scores is missing");
        if (_scores.Length != vocabulary.Count)
        {
            throw new EmbeddedModelException(
                $"{Keys}scores has {_scores.Length} entries for {vocabulary.Count} tokens");
        }

        int notNumber = Array.FindIndex(_scores, float.IsNaN);
        if (notNumber >= 0) throw new EmbeddedModelException($"{Keys}scores[{notNumber}] is not a number");

        _addSpacePrefix = metadata.GetBoolean(Keys + "add_space_prefix", true);
        _index = vocabulary.IndexPieces(TokenKind.Normal, TokenKind.UserDefined)
            .GetAlternateLookup<ReadOnlySpan<char>>();
        Dictionary<string, int> bytes = vocabulary.IndexPieces(TokenKind.Byte);
        for (int value = 0; value < _byteTokens.Length; value++)
        {
            string piece = string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>");
            if (!bytes.TryGetValue(piece, out _byteTokens[value]))
            {
                _byteTokens[value] = vocabulary.UnknownToken ??
                    throw new EmbeddedModelException($"{Keys}tokens has neither {piece} nor one for unknown text");
            }
        }
    }

    /// <remarks>A text that follows a user-defined token gets the space prefix too, as in llama.cpp.</remarks>
    protected override void EncodePlain(string text, List<int> tokens)
    {
        string escaped = (_addSpacePrefix ? " " + text : text).Replace(' ', Space);
        var merger = new PieceMerger(
            (in PieceMerger.Piece left, in PieceMerger.Piece right, out double rank, out int token) =>
            {
                bool found = _index.TryGetValue(escaped.AsSpan(left.Start, left.Length + right.Length), out token);
                rank = found ? -_scores[token] : 0;
                return found;
            });

        for (int start = 0, units; start < escaped.Length; start += units)
        {
            Rune.DecodeFromUtf16(escaped.AsSpan(start), out _, out units);
            merger.Add(start, units, _index.TryGetValue(escaped.AsSpan(start, units), out int token) ? token : -1);
        }

        merger.Merge(piece => AddPiece(escaped.AsSpan(piece.Start, piece.Length), piece.Token, tokens));
    }

    private void AddPiece(ReadOnlySpan<char> text, int token, List<int> tokens)
    {
        if (token >= 0)
        {
            tokens.Add(token);
            return;
        }

        // Only a single character can be without a piece; a lone surrogate is read as U+FFFD.
        Rune.DecodeFromUtf16(text, out Rune rune, out _);
        Span<byte> utf8 = stackalloc byte[4];
        foreach (byte value in utf8[..rune.EncodeToUtf8(utf8)]) tokens.Add(_byteTokens[value]);
    }
}
