using Kind = GrpcLlm.Server.Backends.Embedded.Chat.TemplateTokenKind;

namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>Goes through the tokens of a template and bounds how deep what is made of them can nest.</summary>
/// <param name="tokens">The tokens; the last is the end.</param>
internal sealed class TemplateReader(List<TemplateToken> tokens)
{
    // Far above what templates have; they keep parsing and running within a small stack.
    private const int MaxDepth = 32;
    private const int MaxTokensInTag = 512;

    private int _place;
    private int _depth;
    private int _tagTokens;

    /// <summary>The next token.</summary>
    public TemplateToken Peek => tokens[_place];

    /// <summary>The token after the next; the end if there is none.</summary>
    public TemplateToken PeekSecond => tokens[Math.Min(_place + 1, tokens.Count - 1)];

    /// <summary>Line of the next token.</summary>
    public int Line => Peek.Line;

    /// <summary>Takes the next token.</summary>
    public TemplateToken Next()
    {
        TemplateToken token = Peek;
        _tagTokens = token.Kind is Kind.BlockBegin or Kind.OutputBegin or Kind.Data ? 0 : _tagTokens + 1;
        if (_tagTokens > MaxTokensInTag) throw TemplateException.At(Line, $"a tag has more than {MaxTokensInTag} parts");
        if (token.Kind != Kind.End) _place++;
        return token;
    }

    /// <summary>Whether the next token is of a kind and has a text.</summary>
    public bool Is(Kind kind, string text) => Peek.Kind == kind && string.Equals(Peek.Text, text, StringComparison.Ordinal);

    /// <summary>Whether the next token is an operator.</summary>
    public bool IsOperator(string text) => Is(Kind.Operator, text);

    /// <summary>Whether the next token is a keyword.</summary>
    public bool IsWord(string text) => Is(Kind.Name, text);

    /// <summary>Takes an operator if it is next.</summary>
    public bool TryTake(string text)
    {
        if (!IsOperator(text)) return false;
        Next();
        return true;
    }

    /// <summary>Takes a keyword if it is next.</summary>
    public bool TryTakeWord(string text)
    {
        if (!IsWord(text)) return false;
        Next();
        return true;
    }

    /// <summary>Takes an operator that must be next.</summary>
    /// <exception cref="TemplateException">Another token is next.</exception>
    public void Expect(string text)
    {
        if (!TryTake(text)) throw TemplateException.At(Line, $"'{text}' is missing before '{Peek.Text}'");
    }

    /// <summary>Takes a token of a kind that must be next.</summary>
    /// <exception cref="TemplateException">Another token is next.</exception>
    public TemplateToken Expect(Kind kind) =>
        Peek.Kind == kind ? Next() : throw TemplateException.At(Line, $"'{Peek.Text}' is out of place");

    /// <summary>Reads something that can hold its like.</summary>
    /// <exception cref="TemplateException">It nests too deep.</exception>
    public T Nested<T>(Func<T> read)
    {
        if (++_depth > MaxDepth) throw TemplateException.At(Line, $"it nests deeper than {MaxDepth}");
        T result = read();
        _depth--;
        return result;
    }
}
