using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>Kinds of tokens, by their numbers in <c>tokenizer.ggml.token_type</c>.</summary>
internal enum TokenKind
{
    /// <summary>A piece of text.</summary>
    Normal = 1,

    /// <summary>Stands for text that has no token.</summary>
    Unknown = 2,

    /// <summary>A mark such as the beginning of text; never made from a user's text and never printed.</summary>
    Control = 3,

    /// <summary>Text that is always one token.</summary>
    UserDefined = 4,

    /// <summary>A place without meaning.</summary>
    Unused = 5,

    /// <summary>One byte, written <c>&lt;0x41&gt;</c>.</summary>
    Byte = 6,
}

/// <summary>The tokens of a model: their bytes, kinds and special roles. Thread-safe.</summary>
internal sealed class Vocabulary
{
    private const string Keys = "tokenizer.ggml.";

    // End of text, of a turn, of a message: a model may have several ways to end.
    private static readonly string[] EndKeys = ["eos_token_id", "eot_token_id", "eom_token_id"];

    // Names under which models end a turn or a text, whether or not a key of the file says so.
    private static readonly HashSet<string> EndNames = new(StringComparer.Ordinal)
    {
        "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|end_of_text|>", "<|endoftext|>", "<end_of_turn>",
        "<|end_of_turn|>",
    };

    private readonly string[] _pieces;
    private readonly TokenKind[] _kinds;
    private readonly byte[][] _bytes;
    private readonly string?[] _texts;
    private readonly bool[] _ends;

    private Vocabulary(GgufMetadata metadata, string[] pieces, bool isByteLevel)
    {
        _pieces = pieces;
        _kinds = ReadKinds(metadata, pieces.Length);
        _bytes = new byte[pieces.Length][];
        _texts = new string?[pieces.Length];
        for (int id = 0; id < pieces.Length; id++)
        {
            _bytes[id] = BytesOf(id, isByteLevel);
            LongestToken = Math.Max(LongestToken, _bytes[id].Length);
        }

        IsByteLevel = isByteLevel;
        BeginToken = ReadId(metadata, "bos_token_id");
        BeginOfText = BeginToken;
        if (isByteLevel) Splitter = FindSplitter(metadata);
        bool addBegin = metadata.GetBoolean(Keys + "add_bos_token", Splitter?.BeginsText ?? true);
        if (!addBegin) BeginOfText = null;
        else if (BeginOfText is null)
            throw new EmbeddedModelException($"{Keys}bos_token_id is missing, but a beginning of text is wanted");
        if (metadata.GetBoolean(Keys + "add_eos_token", false))
        {
            throw new EmbeddedModelException(
                $"{Keys}add_eos_token is set; a prompt that is closed cannot be continued");
        }

        _ends = new bool[pieces.Length];
        EndToken = ReadId(metadata, EndKeys[0]);
        IEnumerable<int> named = Enumerable.Range(0, pieces.Length)
            .Where(id => _kinds[id] is TokenKind.Control or TokenKind.UserDefined && EndNames.Contains(pieces[id]));
        EndTokens = [.. EndKeys.Select(key => ReadId(metadata, key)).OfType<int>().Concat(named).Distinct()];
        foreach (int id in EndTokens) _ends[id] = true;
        UnknownToken = ReadId(metadata, "unknown_token_id");
    }

    /// <summary>Number of tokens.</summary>
    public int Count => _pieces.Length;

    /// <summary>Whether pieces are written in <see cref="ByteAlphabet"/>.</summary>
    public bool IsByteLevel { get; }

    /// <summary>Token to put before every prompt; null for none.</summary>
    public int? BeginOfText { get; }

    /// <summary>The beginning of text, whether or not prompts begin with it; null for none.</summary>
    public int? BeginToken { get; }

    /// <summary>The end of text; null for none.</summary>
    public int? EndToken { get; }

    /// <summary>How words are cut; null unless <see cref="IsByteLevel"/>.</summary>
    public WordSplitter? Splitter { get; }

    /// <summary>
    /// Tokens with which the model ends, its turn or its text: those that the file's keys name, and those with a name that
    /// says so. May be empty.
    /// </summary>
    public ImmutableArray<int> EndTokens { get; }

    /// <summary>Token of text that has none.</summary>
    public int? UnknownToken { get; }

    /// <summary>Bytes of the longest token.</summary>
    public int LongestToken { get; }

    /// <summary>Reads the vocabulary of a file.</summary>
    /// <exception cref="EmbeddedModelException">It is missing, inconsistent, or of a kind that is not
    /// known.</exception>
    public static Vocabulary Read(GgufMetadata metadata)
    {
        string kind = metadata.GetString(Keys + "model");
        if (kind is not ("gpt2" or "llama"))
            throw new EmbeddedModelException($"{Keys}model is '{kind}'; only 'gpt2' and 'llama' are known");
        string[] pieces = metadata.GetArray<string>(Keys + "tokens")
            ?? throw new EmbeddedModelException($"the key {Keys}tokens is missing");
        if (pieces.Length == 0) throw new EmbeddedModelException($"{Keys}tokens is empty");
        return new Vocabulary(metadata, pieces, kind is "gpt2");
    }

    /// <summary>What it is.</summary>
    public TokenKind KindOf(int id) => _kinds[id];

    /// <summary>Its written form, as in the file.</summary>
    public string PieceOf(int id) => _pieces[id];

    /// <summary>Its bytes; for a control token its name.</summary>
    public ReadOnlyMemory<byte> BytesOf(int id) => _bytes[id];

    /// <summary>Whether the model ends with it.</summary>
    public bool IsEnd(int id) => _ends[id];

    /// <summary>What it prints: its bytes; nothing for a control token.</summary>
    public ReadOnlySpan<byte> PrintedBytesOf(int id) => _kinds[id] == TokenKind.Control ? default : _bytes[id];

    /// <summary>What it prints, if that is whole characters; null otherwise. Made once for each token.</summary>
    public string? PrintedTextOf(int id)
    {
        if (_texts[id] is { } text) return text;
        ReadOnlySpan<byte> bytes = PrintedBytesOf(id);
        return Utf8.IsValid(bytes) ? _texts[id] = Encoding.UTF8.GetString(bytes) : null;
    }

    /// <summary>Tokens of some kinds by their written form. Of two with the same form the first counts.</summary>
    public Dictionary<string, int> IndexPieces(params ReadOnlySpan<TokenKind> kinds)
    {
        var index = new Dictionary<string, int>(_pieces.Length, StringComparer.Ordinal);
        for (int id = 0; id < _pieces.Length; id++)
        {
            if (kinds.Contains(_kinds[id])) index.TryAdd(_pieces[id], id);
        }

        return index;
    }

    private byte[] BytesOf(int id, bool isByteLevel)
    {
        string piece = _pieces[id];
        switch (_kinds[id])
        {
            case TokenKind.Normal when isByteLevel:
                var bytes = new byte[piece.Length];
                for (int i = 0; i < bytes.Length; i++)
                {
                    if (!ByteAlphabet.TryGetByte(piece[i], out bytes[i]))
                    {
                        throw new EmbeddedModelException(
                            $"{Keys}tokens[{id}] holds U+{(int)piece[i]:X4}, which stands for no byte");
                    }
                }

                return bytes;
            case TokenKind.Normal:
                return Encoding.UTF8.GetBytes(piece.Replace(SentencePieceTokenizer.Space, ' '));
            case TokenKind.Byte:
                return [ParseByte(id, piece)];
            default:
                return Encoding.UTF8.GetBytes(piece);
        }
    }

    private static WordSplitter FindSplitter(GgufMetadata metadata)
    {
        const string key = Keys + "pre";
        string name = metadata.GetString(key);
        return WordSplitter.Find(name)
            ?? throw new EmbeddedModelException($"{key} is '{name}'; only these are known: {WordSplitter.Names}");
    }

    private static byte ParseByte(int id, string piece)
    {
        if (piece is ['<', '0', 'x', _, _, '>'] &&
            byte.TryParse(piece.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, null, out byte value))
        {
            return value;
        }

        throw new EmbeddedModelException($"{Keys}tokens[{id}] is of the kind byte, but is not written as one");
    }

    private static TokenKind[] ReadKinds(GgufMetadata metadata, int count)
    {
        const string key = Keys + "token_type";
        int[]? types = metadata.GetArray<int>(key);
        var kinds = new TokenKind[count];
        Array.Fill(kinds, TokenKind.Normal);
        if (types is null) return kinds;
        if (types.Length != count)
            throw new EmbeddedModelException($"{key} has {types.Length} entries for {count} tokens");
        for (int id = 0; id < count; id++)
        {
            kinds[id] = (TokenKind)types[id];
            if (!Enum.IsDefined(kinds[id]))
                throw new EmbeddedModelException($"{key}[{id}] is {types[id]}, which is no kind of token");
        }

        return kinds;
    }

    private int? ReadId(GgufMetadata metadata, string key) =>
        metadata.Has(Keys + key) ? metadata.GetInt32(Keys + key, 0, Count - 1) : null;
}
