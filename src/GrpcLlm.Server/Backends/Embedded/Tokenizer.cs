namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Turns text into tokens. Control tokens are never made from text: what a user writes stays text. User-defined tokens
/// always are. Thread-safe.
/// </summary>
internal abstract class Tokenizer
{
    private const int LongestCharacter = 4; // bytes of UTF-8

    private readonly (string Text, int Id)[] _userDefined;

    protected Tokenizer(Vocabulary vocabulary)
    {
        Vocabulary = vocabulary;

        // Longest first, so that a token is never hidden by one that it contains.
        _userDefined = [.. vocabulary.IndexPieces(TokenKind.UserDefined)
            .Where(entry => entry.Key.Length > 0)
            .OrderByDescending(entry => entry.Key.Length)
            .ThenBy(entry => entry.Value)
            .Select(entry => (entry.Key, entry.Value))];
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

    /// <summary>Tokens of a text.</summary>
    public IReadOnlyList<int> Encode(string text)
    {
        var tokens = new List<int>();
        Encode(text, 0, tokens);
        return tokens;
    }

    /// <summary>
    /// Fewest tokens that a text can become, from its length alone: no token covers more bytes than the longest, and
    /// one for unknown text covers a character.
    /// </summary>
    /// <param name="bytes">Length of the text in bytes of UTF-8.</param>
    public int FewestTokens(int bytes) => bytes / Math.Max(LongestCharacter, Vocabulary.LongestToken);

    /// <summary>Adds the tokens of a text that holds no user-defined token. Not empty.</summary>
    protected abstract void EncodePlain(string text, List<int> tokens);

    // Cuts the text at the user-defined tokens from `first` on.
    private void Encode(string text, int first, List<int> tokens)
    {
        if (text.Length == 0) return;
        for (int i = first; i < _userDefined.Length; i++)
        {
            (string token, int id) = _userDefined[i];
            int place = text.IndexOf(token, StringComparison.Ordinal);
            if (place < 0) continue;
            int start = 0;
            for (; place >= 0; place = text.IndexOf(token, start, StringComparison.Ordinal))
            {
                Encode(text[start..place], i + 1, tokens);
                tokens.Add(id);
                start = place + token.Length;
            }

            Encode(text[start..], i + 1, tokens);
            return;
        }

        EncodePlain(text, tokens);
    }
}
