using System.Globalization;
using Kind = GrpcLlm.Server.Backends.Embedded.Chat.TemplateTokenKind;

namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>Parses expressions, with Jinja's precedence.</summary>
/// <param name="reader">The tokens.</param>
internal sealed class TemplateExpressionParser(TemplateReader reader)
{
    // From the loosest to the tightest; comparisons and words stand beside them.
    private static readonly string[][] Levels = [["+", "-"], ["~"], ["*", "/", "//", "%"]];

    private static readonly string[] Comparisons = ["==", "!=", "<", ">", "<=", ">="];

    // These go on with the expression after a test without arguments.
    private static readonly string[] Keywords = ["and", "or", "else", "if", "is", "in", "not"];

    /// <summary>Parses an expression, conditional ones included.</summary>
    /// <exception cref="TemplateException">There is none, or it is not understood.</exception>
    public TemplateExpression Parse() => reader.Nested(() =>
    {
        int line = reader.Line;
        TemplateExpression value = ParseOr();
        while (reader.TryTakeWord("if"))
        {
            TemplateExpression condition = ParseOr();
            value = new ConditionalExpression(line, condition, value, reader.TryTakeWord("else") ? Parse() : null);
        }

        return value;
    });

    /// <summary>Parses one without a condition behind it, as before the <c>if</c> of a loop.</summary>
    public TemplateExpression ParseOr()
    {
        TemplateExpression left = ParseAnd();
        while (reader.IsWord("or")) left = new BinaryExpression(reader.Next().Line, "or", left, ParseAnd());
        return left;
    }

    private TemplateExpression ParseAnd()
    {
        TemplateExpression left = ParseNot();
        while (reader.IsWord("and")) left = new BinaryExpression(reader.Next().Line, "and", left, ParseNot());
        return left;
    }

    private TemplateExpression ParseNot() => reader.IsWord("not")
        ? reader.Nested(() => new NotExpression(reader.Next().Line, ParseNot()))
        : ParseComparison();

    private TemplateExpression ParseComparison()
    {
        TemplateExpression left = ParseLevel(0);
        while (TakeComparison() is { } comparison)
            left = new BinaryExpression(reader.Line, comparison, left, ParseLevel(0));
        return left;
    }

    private string? TakeComparison()
    {
        if (reader.Peek.Kind == Kind.Operator && Comparisons.Contains(reader.Peek.Text)) return reader.Next().Text;
        if (reader.TryTakeWord("in")) return "in";
        if (!reader.IsWord("not") || reader.PeekSecond is not { Kind: Kind.Name, Text: "in" }) return null;
        reader.Next();
        reader.Next();
        return "not in";
    }

    private TemplateExpression ParseLevel(int level)
    {
        if (level == Levels.Length) return ParseSigned();
        TemplateExpression left = ParseLevel(level + 1);
        while (reader.Peek.Kind == Kind.Operator && Levels[level].Contains(reader.Peek.Text))
        {
            TemplateToken between = reader.Next();
            left = new BinaryExpression(between.Line, between.Text, left, ParseLevel(level + 1));
        }

        return left;
    }

    private TemplateExpression ParseSigned() => reader.IsOperator("-")
        ? reader.Nested(() => new MinusExpression(reader.Next().Line, ParseSigned()))
        : ParseFilters(ParseMembers(ParsePrimary()));

    private TemplateExpression ParseFilters(TemplateExpression value)
    {
        while (true)
        {
            int line = reader.Line;
            if (reader.TryTake("|")) value = ParseCall(CallKind.Filter, reader.Expect(Kind.Name).Text, value, line);
            else if (reader.TryTakeWord("is")) value = ParseTest(value, line);
            else return value;
        }
    }

    private TemplateExpression ParseTest(TemplateExpression value, int line)
    {
        bool isNegated = reader.TryTakeWord("not");
        string name = reader.Peek.Kind == Kind.Operator && reader.Peek.Text is "==" or "!="
            ? reader.Next().Text
            : reader.Expect(Kind.Name).Text;
        TemplateExpression test = reader.IsOperator("(") || !BeginsArgument()
            ? ParseCall(CallKind.Test, name, value, line)
            : new CallExpression(line, CallKind.Test, name, value, [ParseMembers(ParsePrimary())], []);
        return isNegated ? new NotExpression(line, test) : test;
    }

    private bool BeginsArgument() => reader.Peek.Kind switch
    {
        Kind.Text or Kind.Number => true,
        Kind.Name => !Keywords.Contains(reader.Peek.Text),
        _ => reader.IsOperator("[") || reader.IsOperator("{"),
    };

    private TemplateExpression ParsePrimary()
    {
        TemplateToken token = reader.Next();
        switch (token.Kind)
        {
            case Kind.Text:
                string text = token.Text;
                while (reader.Peek.Kind == Kind.Text) text += reader.Next().Text;
                return new ConstantExpression(token.Line, MarkedText.Of(text));
            case Kind.Number:
                return long.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                    && !(reader.IsOperator(".") && reader.PeekSecond.Kind == Kind.Number)
                    ? new ConstantExpression(token.Line, number)
                    : throw TemplateException.At(token.Line, "only whole numbers of 64 bits are read");
            case Kind.Name:
                return ParseName(token);
            case Kind.Operator when token.Text == "(":
                return ParseParenthesis(token.Line);
            case Kind.Operator when token.Text == "[":
                return new ListExpression(token.Line, ParseItems("]"));
            case Kind.Operator when token.Text == "{":
                return ParseMapping(token.Line);
            default:
                throw TemplateException.At(token.Line, $"'{token.Text}' is out of place in an expression");
        }
    }

    private TemplateExpression ParseName(TemplateToken name)
    {
        switch (name.Text)
        {
            case "true" or "True": return new ConstantExpression(name.Line, true);
            case "false" or "False": return new ConstantExpression(name.Line, false);
            case "none" or "None": return new ConstantExpression(name.Line, null);
        }

        if (Keywords.Contains(name.Text)) throw TemplateException.At(name.Line, $"'{name.Text}' is out of place in an expression");
        return reader.IsOperator("(")
            ? ParseCall(CallKind.Function, name.Text, null, name.Line)
            : new NameExpression(name.Line, name.Text);
    }

    private TemplateExpression ParseParenthesis(int line)
    {
        if (reader.TryTake(")")) return new ListExpression(line, []);
        TemplateExpression first = Parse();
        if (reader.TryTake(")")) return first;
        reader.Expect(",");
        return new ListExpression(line, [first, .. ParseItems(")")]);
    }

    private List<TemplateExpression> ParseItems(string close)
    {
        var items = new List<TemplateExpression>();
        while (!reader.TryTake(close))
        {
            items.Add(Parse());
            if (!reader.IsOperator(close)) reader.Expect(",");
        }

        return items;
    }

    private MappingExpression ParseMapping(int line)
    {
        var items = new List<(TemplateExpression, TemplateExpression)>();
        while (!reader.TryTake("}"))
        {
            TemplateExpression key = Parse();
            reader.Expect(":");
            items.Add((key, Parse()));
            if (!reader.IsOperator("}")) reader.Expect(",");
        }

        return new MappingExpression(line, items);
    }

    private TemplateExpression ParseMembers(TemplateExpression value)
    {
        while (true)
        {
            int line = reader.Line;
            if (reader.TryTake("."))
            {
                string name = reader.Expect(Kind.Name).Text;
                value = reader.IsOperator("(")
                    ? ParseCall(CallKind.Method, name, value, line)
                    : new MemberExpression(line, value, new ConstantExpression(line, MarkedText.Of(name)));
            }
            else if (reader.TryTake("["))
            {
                value = ParseSubscript(value, line);
            }
            else
            {
                return value;
            }
        }
    }

    private TemplateExpression ParseSubscript(TemplateExpression target, int line)
    {
        TemplateExpression? first = reader.IsOperator(":") ? null : Parse();
        if (first is not null && reader.TryTake("]")) return new MemberExpression(line, target, first);
        reader.Expect(":");
        TemplateExpression? end = reader.IsOperator(":") || reader.IsOperator("]") ? null : Parse();
        TemplateExpression? step = reader.TryTake(":") && !reader.IsOperator("]") ? Parse() : null;
        reader.Expect("]");
        return new SliceExpression(line, target, first, end, step);
    }

    // Filters and tests may stand without parentheses.
    private CallExpression ParseCall(CallKind kind, string name, TemplateExpression? target, int line)
    {
        var arguments = new List<TemplateExpression>();
        var named = new List<(string Name, TemplateExpression Value)>();
        if (reader.TryTake("("))
        {
            while (!reader.TryTake(")"))
            {
                if (reader.Peek.Kind == Kind.Name && reader.PeekSecond is { Kind: Kind.Operator, Text: "=" })
                {
                    string argument = reader.Next().Text;
                    reader.Next();
                    if (named.Exists(other => string.Equals(other.Name, argument, StringComparison.Ordinal)))
                        throw TemplateException.At(line, $"the argument '{argument}' is there twice");
                    named.Add((argument, Parse()));
                }
                else
                {
                    arguments.Add(Parse());
                }

                if (!reader.IsOperator(")")) reader.Expect(",");
            }
        }

        return new CallExpression(line, kind, name, target, arguments, named);
    }
}
