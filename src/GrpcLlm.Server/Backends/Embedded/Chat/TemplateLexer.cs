using System.Globalization;
using System.Text;

namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>Kinds of tokens of a template.</summary>
internal enum TemplateTokenKind
{
    /// <summary>Text that is written as it stands.</summary>
    Data,

    /// <summary><c>{%</c>.</summary>
    BlockBegin,

    /// <summary><c>%}</c>.</summary>
    BlockEnd,

    /// <summary><c>{{</c>.</summary>
    OutputBegin,

    /// <summary><c>}}</c>.</summary>
    OutputEnd,

    /// <summary>A name or keyword.</summary>
    Name,

    /// <summary>A string literal, its escapes resolved.</summary>
    Text,

    /// <summary>A whole number.</summary>
    Number,

    /// <summary>An operator or bracket.</summary>
    Operator,

    /// <summary>After the last.</summary>
    End,
}

/// <summary>A token of a template.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Text">Its text.</param>
/// <param name="Line">Its line from 1.</param>
internal readonly record struct TemplateToken(TemplateTokenKind Kind, string Text, int Line);

/// <summary>
/// Cuts a template into tokens, with the white-space rules that chat templates are written for: Jinja's <c>trim_blocks</c>
/// and <c>lstrip_blocks</c>, and <c>-</c> and <c>+</c> beside the marks.
/// </summary>
internal sealed class TemplateLexer
{
    private static readonly string[] Operators =
        ["==", "!=", "<=", ">=", "//", "**", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ".", ",", ":", "|"];

    private readonly string _source;
    private readonly List<TemplateToken> _tokens = [];
    private int _place;
    private int _line = 1;
    private bool _atLineStart = true;

    private TemplateLexer(string source) => _source = source;

    /// <summary>The tokens of a template; the last is <see cref="TemplateTokenKind.End"/>.</summary>
    /// <exception cref="TemplateException">It is not well formed.</exception>
    public static List<TemplateToken> Read(string template)
    {
        string source = template.ReplaceLineEndings("\n");
        if (source.EndsWith('\n')) source = source[..^1];
        var lexer = new TemplateLexer(source);
        while (lexer._place < source.Length) lexer.ReadDataAndTag();
        lexer.Add(TemplateTokenKind.End, "");
        return lexer._tokens;
    }

    private void ReadDataAndTag()
    {
        int tag = FindTag(out char kind);
        if (tag < 0)
        {
            Add(TemplateTokenKind.Data, _source[_place..]);
            _place = _source.Length;
            return;
        }

        char sign = tag + 2 < _source.Length ? _source[tag + 2] : '\0';
        string data = _source[_place..tag];
        string kept = sign == '-' ? data.TrimEnd()
            : sign == '+' || kind == '{' ? data
            : WithoutIndent(data);
        if (kept.Length > 0) Add(TemplateTokenKind.Data, kept);
        MoveTo(tag + 2 + (sign is '-' or '+' ? 1 : 0));
        if (kind == '#') SkipComment();
        else ReadTag(isBlock: kind == '%');
    }

    private int FindTag(out char kind)
    {
        kind = '\0';
        for (int place = _place; (place = _source.IndexOf('{', place)) >= 0 && place + 1 < _source.Length; place++)
        {
            kind = _source[place + 1];
            if (kind is '{' or '%' or '#') return place;
        }

        return -1;
    }

    // White space between the start of a line and a block does not count.
    private string WithoutIndent(string data)
    {
        int start = data.LastIndexOf('\n') + 1;
        return (start > 0 || _atLineStart) && data.AsSpan(start).IsWhiteSpace() ? data[..start] : data;
    }

    private void SkipComment()
    {
        int end = _source.IndexOf("#}", _place, StringComparison.Ordinal);
        if (end < 0) throw TemplateException.At(_line, "a comment has no end");
        char sign = end > 0 ? _source[end - 1] : '\0';
        MoveTo(end + 2);
        SkipAfter(sign, isBlock: true);
    }

    private void ReadTag(bool isBlock)
    {
        Add(isBlock ? TemplateTokenKind.BlockBegin : TemplateTokenKind.OutputBegin, "");
        string close = isBlock ? "%}" : "}}";
        for (int depth = 0; ;)
        {
            while (_place < _source.Length && char.IsWhiteSpace(_source[_place])) MoveTo(_place + 1);
            if (_place >= _source.Length) throw TemplateException.At(_line, $"'{close}' is missing");
            char sign = _source[_place] is '-' or '+' ? _source[_place] : '\0';
            int end = _place + (sign == '\0' ? 0 : 1);
            if (depth == 0 && string.CompareOrdinal(_source, end, close, 0, close.Length) == 0)
            {
                Add(isBlock ? TemplateTokenKind.BlockEnd : TemplateTokenKind.OutputEnd, "");
                MoveTo(end + close.Length);
                SkipAfter(sign, isBlock);
                return;
            }

            string text = ReadToken();
            if (text is "(" or "[" or "{") depth++;
            if (text is ")" or "]" or "}") depth--;
        }
    }

    // A minus takes all white space after a tag; a block takes the line's end in any case.
    private void SkipAfter(char sign, bool isBlock)
    {
        int start = _place;
        if (sign == '-')
        {
            while (_place < _source.Length && char.IsWhiteSpace(_source[_place])) MoveTo(_place + 1);
        }
        else if (sign != '+' && isBlock && _place < _source.Length && _source[_place] == '\n')
        {
            MoveTo(_place + 1);
        }

        _atLineStart = _place > start && _source[_place - 1] == '\n';
    }

    // Returns the operator; empty for anything else.
    private string ReadToken()
    {
        char first = _source[_place];
        if (first is '\'' or '"')
        {
            Add(TemplateTokenKind.Text, ReadText(first));
            return "";
        }

        if (char.IsAsciiLetter(first) || first == '_')
        {
            Add(TemplateTokenKind.Name, Take(static character => char.IsAsciiLetterOrDigit(character) || character == '_'));
            return "";
        }

        if (char.IsAsciiDigit(first))
        {
            Add(TemplateTokenKind.Number, Take(char.IsAsciiDigit));
            return "";
        }

        string? found = Array.Find(Operators, text => string.CompareOrdinal(_source, _place, text, 0, text.Length) == 0);
        if (found is null) throw TemplateException.At(_line, $"U+{(int)first:X4} has no meaning in an expression");
        Add(TemplateTokenKind.Operator, found);
        _place += found.Length;
        return found;
    }

    private string Take(Func<char, bool> belongs)
    {
        int start = _place;
        while (_place < _source.Length && belongs(_source[_place])) _place++;
        return _source[start.._place];
    }

    private string ReadText(char quote)
    {
        var text = new StringBuilder();
        int line = _line;
        for (MoveTo(_place + 1); _place < _source.Length; MoveTo(_place + 1))
        {
            char character = _source[_place];
            if (character == quote)
            {
                _place++;
                return text.ToString();
            }

            if (character == '\\' && _place + 1 < _source.Length) AppendEscape(text);
            else text.Append(character);
        }

        throw TemplateException.At(line, "a string has no end");
    }

    private void AppendEscape(StringBuilder text)
    {
        char escape = _source[++_place];
        int digits = escape switch { 'x' => 2, 'u' => 4, _ => 0 };
        if (digits > 0)
        {
            if (_place + digits >= _source.Length || !ushort.TryParse(
                _source.AsSpan(_place + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort value))
            {
                throw TemplateException.At(_line, $"'\\{escape}' needs {digits} hexadecimal digits");
            }

            text.Append((char)value);
            _place += digits;
            return;
        }

        switch (escape)
        {
            case 'n': text.Append('\n'); break;
            case 't': text.Append('\t'); break;
            case 'r': text.Append('\r'); break;
            case '\\' or '\'' or '"': text.Append(escape); break;
            case '\n': break;
            default: text.Append('\\').Append(escape); break; // as in Python
        }
    }

    private void Add(TemplateTokenKind kind, string text)
    {
        _tokens.Add(new TemplateToken(kind, text, _line));
        if (kind != TemplateTokenKind.Data) return;
        _line += text.AsSpan().Count('\n');
        _place += text.Length;
    }

    private void MoveTo(int place)
    {
        if (place > _place) _line += _source.AsSpan(_place, Math.Min(place, _source.Length) - _place).Count('\n');
        _place = place;
    }
}
