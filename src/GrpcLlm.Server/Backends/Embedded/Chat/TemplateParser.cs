using Kind = GrpcLlm.Server.Backends.Embedded.Chat.TemplateTokenKind;

namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>Parses the statements of a template. What is not in the subset is refused by name.</summary>
internal sealed class TemplateParser
{
    private readonly TemplateReader _reader;
    private readonly TemplateExpressionParser _expressions;
    private int _loops;

    private TemplateParser(List<TemplateToken> tokens)
    {
        _reader = new TemplateReader(tokens);
        _expressions = new TemplateExpressionParser(_reader);
    }

    /// <summary>Parses a template.</summary>
    /// <exception cref="TemplateException">It is not understood.</exception>
    public static IReadOnlyList<TemplateStatement> Parse(string template)
    {
        var parser = new TemplateParser(TemplateLexer.Read(template));
        List<TemplateStatement> body = parser.ParseBody(out string end);
        return end.Length == 0 ? body : throw TemplateException.At(parser._reader.Line, $"'{end}' ends nothing");
    }

    // Up to a tag that ends or parts a block, whose word is taken, or to the end of the template: "".
    private List<TemplateStatement> ParseBody(out string end, params ReadOnlySpan<string> ends)
    {
        var body = new List<TemplateStatement>();
        while (_reader.Peek.Kind != Kind.End)
        {
            TemplateToken token = _reader.Next();
            switch (token.Kind)
            {
                case Kind.Data:
                    body.Add(new DataStatement(MarkedText.Of(token.Text)));
                    break;
                case Kind.OutputBegin:
                    body.Add(new OutputStatement(_expressions.Parse()));
                    _reader.Expect(Kind.OutputEnd);
                    break;
                default:
                    string word = _reader.Expect(Kind.Name).Text;
                    if (ends.Contains(word))
                    {
                        end = word;
                        return body;
                    }

                    if (word is "generation" or "endgeneration") _reader.Expect(Kind.BlockEnd); // marks for training
                    else body.Add(_reader.Nested(() => ParseStatement(word, token.Line)));
                    break;
            }
        }

        end = "";
        return ends.IsEmpty ? body : throw TemplateException.At(_reader.Line, $"'{ends[^1]}' is missing");
    }

    private TemplateStatement ParseStatement(string word, int line)
    {
        switch (word)
        {
            case "if": return ParseIf();
            case "for": return ParseFor();
            case "set": return ParseSet();
            case "break" or "continue" when _loops > 0:
                _reader.Expect(Kind.BlockEnd);
                return new FlowStatement(word is "break" ? TemplateFlow.Break : TemplateFlow.Continue);
            default: throw TemplateException.At(line, $"the statement '{word}' is not known");
        }
    }

    private IfStatement ParseIf()
    {
        var branches = new List<(TemplateExpression? Condition, IReadOnlyList<TemplateStatement> Body)>();
        for (string end = "elif"; end is "elif" or "else";)
        {
            TemplateExpression? condition = end is "elif" ? _expressions.Parse() : null;
            _reader.Expect(Kind.BlockEnd);
            branches.Add((condition, condition is null ? ParseBody(out end, "endif") : ParseBody(out end, "elif", "else", "endif")));
        }

        _reader.Expect(Kind.BlockEnd);
        return new IfStatement(branches);
    }

    private ForStatement ParseFor()
    {
        List<string> names = [_reader.Expect(Kind.Name).Text];
        while (_reader.TryTake(",")) names.Add(_reader.Expect(Kind.Name).Text);
        if (!_reader.TryTakeWord("in")) throw TemplateException.At(_reader.Line, "'in' is missing in a loop");
        TemplateExpression items = _expressions.ParseOr();
        TemplateExpression? condition = _reader.TryTakeWord("if") ? _expressions.Parse() : null;
        _reader.Expect(Kind.BlockEnd);
        _loops++;
        List<TemplateStatement> body = ParseBody(out string end, "else", "endfor");
        _loops--;
        List<TemplateStatement> otherwise = [];
        if (end is "else")
        {
            _reader.Expect(Kind.BlockEnd);
            otherwise = ParseBody(out _, "endfor");
        }

        _reader.Expect(Kind.BlockEnd);
        return new ForStatement(names, items, condition, body, otherwise);
    }

    private TemplateStatement ParseSet()
    {
        string name = _reader.Expect(Kind.Name).Text;
        string? member = _reader.TryTake(".") ? _reader.Expect(Kind.Name).Text : null;
        if (_reader.TryTake("="))
        {
            TemplateExpression value = _expressions.Parse();
            _reader.Expect(Kind.BlockEnd);
            return new SetStatement(name, member, value);
        }

        _reader.Expect(Kind.BlockEnd);
        if (member is not null) throw TemplateException.At(_reader.Line, "only a variable takes a block's text");

        // No loop goes on from within the text of a variable.
        int loops = _loops;
        _loops = 0;
        List<TemplateStatement> body = ParseBody(out _, "endset");
        _loops = loops;
        _reader.Expect(Kind.BlockEnd);
        return new CaptureStatement(name, body);
    }
}
