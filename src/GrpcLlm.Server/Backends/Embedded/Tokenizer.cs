using GrpcLlm.Server.Backends.Embedded.Chat;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Turns text into tokens. Control tokens are never made from what a user writes, which stays text; user-defined tokens
/// always are. Thread-safe.
/// </summary>
internal abstract class Tokenizer
{
    /// <summary>Most bytes of UTF-8 that a character has.</summary>
    protected const int LongestCharacter = 4;

    private readonly (string Text, int Id)[] _userDefined;
    private readonly (string Text, int Id)[] _special;

    protected Tokenizer(Vocabulary vocabulary)
    {
        Vocabulary = vocabulary;
        _userDefined = LongestFirst(TokenKind.UserDefined);
        _special = LongestFirst(TokenKind.UserDefined, TokenKind.Control, TokenKind.Unknown);
    }

    /// <summary>The tokens.</summary>
    public Vocabulary Vocabulary { get; }

    /// <summary>Makes the tokenizer that a file asks for.</summary>
    /// <exception cref="EmbeddedModelException">It asks for one that is not known, or its tables are wrong.</exception>
    public static Tokenizer Create(GgufMetadata metadata)
    {
        var vocabulary = Vocabulary.Read(metadata);
        return vocabulary.IsByteLevel
            ? new BytePairTokenizer(vocabulary, metadata)
            : new SentencePieceTokenizer(vocabulary, metadata);
    }

    /// <summary>Tokens of a prompt: the beginning of text, if the model has one, then the text.</summary>
    public int[] EncodePrompt(string text)
    {
        var tokens = new List<int>();
        if (Vocabulary.BeginOfText is { } begin) tokens.Add(begin);
        tokens.AddRange(Encode(text));
        return [.. tokens];
    }

    /// <summary>
    /// Tokens of a conversation: the beginning of text, if the model has one and the template did not write it, then the
    /// text. A special token is made only where the template wrote the whole of its name.
    /// </summary>
    /// <param name="prompt">What the template made of the conversation.</param>
    /// <param name="marks">User-defined tokens that are the template's own, and not made from what people write.</param>
    public int[] EncodeChat(ChatPrompt prompt, IReadOnlySet<int> marks)
    {
        var tokens = new List<int>();
        Encode(
            prompt.Text, _special,
            (id, start, length) => prompt.IsTemplates(start, length)
                || (Vocabulary.KindOf(id) == TokenKind.UserDefined && !marks.Contains(id)),
            tokens);
        if (Vocabulary.BeginOfText is { } begin && (tokens.Count == 0 || tokens[0] != begin)) tokens.Insert(0, begin);
        return [.. tokens];
    }

    /// <summary>Tokens of a text.</summary>
    public IReadOnlyList<int> Encode(string text)
    {
        var tokens = new List<int>();
        Encode(text, _userDefined, static (_, _, _) => true, tokens);
        return tokens;
    }

    /// <summary>
    /// Fewest tokens that a text can become, from its length alone: no token covers more bytes than the longest, and
    /// one for unknown text covers a character.
    /// </summary>
    /// <param name="bytes">Length of the text in bytes of UTF-8.</param>
    public int FewestTokens(int bytes) => bytes / Math.Max(LongestCharacter, Vocabulary.LongestToken);

    /// <summary>Adds the tokens of a text that holds no special token. Not empty.</summary>
    protected abstract void EncodePlain(string text, List<int> tokens);

    // Longest first, so that a token is never hidden by one that it contains.
    private (string Text, int Id)[] LongestFirst(params TokenKind[] kinds) =>
    [
        .. Vocabulary.IndexPieces(kinds)
            .Where(entry => entry.Key.Length > 0)
            .OrderByDescending(entry => entry.Key.Length)
            .ThenBy(entry => entry.Value)
            .Select(entry => (entry.Key, entry.Value)),
    ];

    // Cuts the text at one special token after the other.
    private void Encode(
        string text, (string Text, int Id)[] special, Func<int, int, int, bool> isAllowed, List<int> tokens)
    {
        List<Piece> pieces = [new(0, text.Length, null)];
        foreach ((string name, int id) in special)
        {
            if (!text.Contains(name, StringComparison.Ordinal)) continue;
            var next = new List<Piece>(pieces.Count);
            foreach (Piece piece in pieces)
            {
                if (piece.Token is null) Cut(text, piece, name, id, isAllowed, next);
                else next.Add(piece);
            }

            pieces = next;
        }

        foreach (Piece piece in pieces)
        {
            if (piece.Token is { } token) tokens.Add(token);
            else if (piece.Length > 0) EncodePlain(text.Substring(piece.Start, piece.Length), tokens);
        }
    }

    private static void Cut(
        string text, Piece piece, string name, int id, Func<int, int, int, bool> isAllowed, List<Piece> pieces)
    {
        int end = piece.Start + piece.Length;
        int start = piece.Start;
        for (int from = start; from < end;)
        {
            int place = text.IndexOf(name, from, end - from, StringComparison.Ordinal);
            if (place < 0) break;
            from = place + 1;
            if (!isAllowed(id, place, name.Length)) continue;
            if (place > start) pieces.Add(new Piece(start, place - start, null));
            pieces.Add(new Piece(place, name.Length, id));
            start = from = place + name.Length;
        }

        if (start < end) pieces.Add(new Piece(start, end - start, null));
    }

    /// <summary>A stretch of a text.</summary>
    /// <param name="Start">Where it begins.</param>
    /// <param name="Length">Its length.</param>
    /// <param name="Token">The special token that it is; null for plain text.</param>
    private readonly record struct Piece(int Start, int Length, int? Token);
}
