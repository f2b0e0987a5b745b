using System.Text;

namespace GrpcLlm.Client.Tests.Json;

/// <summary>Random JSON texts in every notation that the grammar allows; greater seeds make longer ones.</summary>
internal sealed class RandomJson(int seed)
{
    private static readonly string[] Names = ["a", "b", "name", "", "ä", "\\u0061", "q\\\"q", "😀"];
    private static readonly string[] Pieces =
    [
        "x", "word ", "é", "日本", "😀", "\\n", "\\\"", "\\\\", "\\/", "\\b\\f\\r\\t", "\\u0041", "\\u00e9", "\\ud83d\\ude00", "\\uD83D\\uDE00", "'", "{[,:]}", "\u007f", "\u2028",
    ];

    private static readonly string[] Numbers =
    [
        "0", "-0", "1", "12", "-7", "123456789012345678901234567890", "0.5", "-10.25", "1e5", "1E+5", "2e-3", "0e0", "-1.5e10", "1e999",
    ];

    private readonly Random _random = new(seed);

    /// <summary>One document.</summary>
    public string Document()
    {
        var text = new StringBuilder();
        Space(text);
        Value(text, Math.Min(1 + seed / 20, 5));
        Space(text);
        return text.ToString();
    }

    /// <summary>A text with some characters taken out, put in or changed; still valid now and then.</summary>
    public string Damaged(string text)
    {
        const string Alphabet = "{}[]:,\"\\ \n0123456789.eE+-truefalsn/bux\u0001é\ud83d\ude00";
        var damaged = new StringBuilder(text);
        for (var changes = _random.Next(1, 4); changes > 0; changes--)
        {
            var at = _random.Next(damaged.Length + 1);
            var letter = Alphabet[_random.Next(Alphabet.Length)];
            switch (_random.Next(4))
            {
                case 0 when at < damaged.Length: damaged.Remove(at, 1); break;
                case 1 when at < damaged.Length: damaged[at] = letter; break;
                case 2: damaged.Length = at; break;
                default: damaged.Insert(at, letter); break;
            }
        }

        return damaged.ToString();
    }

    /// <summary>The text in random pieces, some of them empty.</summary>
    public IEnumerable<string> Cut(string text)
    {
        for (var start = 0; start < text.Length;)
        {
            var length = Math.Min(_random.Next(0, 9), text.Length - start);
            yield return text.Substring(start, length);
            start += length;
        }
    }

    private void Value(StringBuilder text, int depth)
    {
        switch (_random.Next(depth == 0 ? 5 : 9))
        {
            case 0: text.Append(Numbers[_random.Next(Numbers.Length)]); break;
            case 1: text.Append("true"); break;
            case 2: text.Append(_random.Next(2) == 0 ? "false" : "null"); break;
            case 3 or 4: String(text); break;
            case 5 or 6: List(text, '[', ']', () => Value(text, depth - 1)); break;
            default: List(text, '{', '}', () => Property(text, depth - 1)); break;
        }
    }

    private void Property(StringBuilder text, int depth)
    {
        text.Append('"').Append(Names[_random.Next(Names.Length)]).Append('"');
        Space(text);
        text.Append(':');
        Space(text);
        Value(text, depth);
    }

    private void List(StringBuilder text, char open, char close, Action item)
    {
        text.Append(open);
        Space(text);
        for (int i = 0, count = _random.Next(4); i < count; i++)
        {
            if (i > 0) text.Append(',');
            Space(text);
            item();
            Space(text);
        }

        text.Append(close);
    }

    private void String(StringBuilder text)
    {
        text.Append('"');
        for (var i = _random.Next(5); i > 0; i--) text.Append(Pieces[_random.Next(Pieces.Length)]);
        text.Append('"');
    }

    private void Space(StringBuilder text)
    {
        for (var i = _random.Next(6) - 3; i > 0; i--) text.Append(" \t\n\r"[_random.Next(4)]);
    }
}
