using System.Globalization;
using System.Text;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// Reads the regular part of ECMAScript's regular expressions: characters, <c>.</c>, classes, <c>\d \w \s</c> and their
/// opposites, groups, alternatives, <c>* + ? {n,m}</c> (lazy or not, which matches the same), and <c>^</c> and <c>$</c>
/// at the ends of top-level alternatives. Back references, look-around, word boundaries and properties are refused.
/// </summary>
internal sealed class PatternParser
{
    private const int MaxRepeat = 1000;

    private readonly int[] _input;
    private int _at;

    private PatternParser(string pattern) => _input = [.. pattern.EnumerateRunes().Select(rune => rune.Value)];

    private int Peek => _at < _input.Length ? _input[_at] : -1;

    /// <summary>Reads a pattern. Where it has no anchor, anything may stand before or behind.</summary>
    /// <exception cref="PatternException">It is none, or not regular.</exception>
    public static PatternNode Parse(string pattern)
    {
        if (pattern.Length > StructuredLimits.PatternLength)
            throw new PatternException($"must have at most {StructuredLimits.PatternLength} characters");
        var parser = new PatternParser(pattern);
        PatternNode whole = parser.Alternatives(isTopLevel: true);
        return parser.Peek < 0 ? whole : throw new PatternException("has a ')' without its '('");
    }

    private PatternNode Alternatives(bool isTopLevel)
    {
        var parts = new List<PatternNode>();
        do
        {
            parts.Add(Sequence(isTopLevel));
        }
        while (Take('|'));

        return parts.Count == 1 ? parts[0] : new PatternNode.Choice(parts);
    }

    private PatternNode.Sequence Sequence(bool isTopLevel)
    {
        var anything = new PatternNode.Repeat(new PatternNode.Characters(CharacterSet.All), 0, int.MaxValue);
        var parts = new List<PatternNode>();
        if (isTopLevel && !Take('^')) parts.Add(anything);
        while (Peek is not (-1 or '|' or ')' or '$')) parts.Add(Repeated());
        bool isAnchored = isTopLevel && Take('$');
        if (Peek is not (-1 or '|' or ')')) throw new PatternException("has '^' or '$' elsewhere than at its ends");
        if (isTopLevel && !isAnchored) parts.Add(anything);
        return new PatternNode.Sequence(parts);
    }

    private PatternNode Repeated()
    {
        PatternNode atom = Atom();
        (int Min, int Max)? times = Peek switch
        {
            '*' => (0, int.MaxValue),
            '+' => (1, int.MaxValue),
            '?' => (0, 1),
            _ => null,
        };
        if (times is not null) _at++;
        else if (Peek == '{') times = Times();
        if (times is not { } found) return atom;
        Take('?');
        if (Peek is '*' or '+' or '?' or '{') throw new PatternException("repeats a repetition");
        return new PatternNode.Repeat(atom, found.Min, found.Max);
    }

    private (int Min, int Max) Times()
    {
        _at++;
        int min = Number();
        int max = !Take(',') ? min : Peek == '}' ? int.MaxValue : Number();
        if (!Take('}') || max < min) throw new PatternException("has a '{' that begins no number of repetitions");
        return (min, max);
    }

    private int Number()
    {
        int start = _at;
        int value = 0;
        for (; Peek is >= '0' and <= '9'; _at++)
        {
            value = (value * 10) + Peek - '0';
            if (value > MaxRepeat) throw new PatternException($"repeats more than {MaxRepeat} times");
        }

        return _at > start ? value : throw new PatternException("has a '{' that begins no number of repetitions");
    }

    private PatternNode Atom()
    {
        int character = _input[_at++];
        switch (character)
        {
            case '(':
                if (Take('?') && !Take(':')) throw new PatternException("has look-around or a named group");
                PatternNode group = Alternatives(isTopLevel: false);
                return Take(')') ? group : throw new PatternException("has a '(' without its ')'");
            case '[':
                return new PatternNode.Characters(Class());
            case '.':
                return new PatternNode.Characters(CharacterSet.Dot);
            case '\\':
                return new PatternNode.Characters(Escape());
            case '^':
                throw new PatternException("has '^' or '$' elsewhere than at its ends");
            case '*' or '+' or '?' or '{' or '}' or ']':
                throw new PatternException($"has a '{(char)character}' that stands alone; write '\\{(char)character}'");
            default:
                return new PatternNode.Characters([(character, character)]);
        }
    }

    private IReadOnlyList<(int Low, int High)> Class()
    {
        bool isNegated = Take('^');
        var ranges = new List<(int Low, int High)>();
        while (!Take(']'))
        {
            IReadOnlyList<(int Low, int High)> first = ClassAtom();
            if (Peek == '-' && _at + 1 < _input.Length && _input[_at + 1] != ']')
            {
                _at++;
                IReadOnlyList<(int Low, int High)> last = ClassAtom();
                if (first is not [var (low, same)] || last is not [var (other, high)] || low != same || other != high || low > high)
                    throw new PatternException("has a range in a class that is none");
                ranges.Add((low, high));
            }
            else
            {
                ranges.AddRange(first);
            }
        }

        return isNegated ? CharacterSet.Without(ranges) : ranges;
    }

    private IReadOnlyList<(int Low, int High)> ClassAtom()
    {
        if (Peek < 0) throw new PatternException("has a '[' without its ']'");
        int character = _input[_at++];
        if (character != '\\') return [(character, character)];
        if (!Take('b')) return Escape();
        return [('\b', '\b')];
    }

    private IReadOnlyList<(int Low, int High)> Escape()
    {
        if (Peek < 0) throw new PatternException("ends in a backslash");
        int letter = _input[_at++];
        if (letter < 128 && CharacterSet.OfEscape((char)letter) is { } set) return set;
        int character = letter switch
        {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\f',
            'v' => '\v',
            '0' when Peek is not (>= '0' and <= '9') => '\0',
            'x' => Hex(2),
            'u' => Hex(4),
            < 128 when char.IsAsciiLetterOrDigit((char)letter) =>
                throw new PatternException($"has '\\{(char)letter}', which is not supported"),
            _ => letter,
        };
        return [(character, character)];
    }

    private int Hex(int digits)
    {
        var text = new StringBuilder(digits);
        for (int i = 0; i < digits && _at < _input.Length; i++) text.Append(new Rune(_input[_at++]));
        if (text.Length == digits && text.ToString().All(char.IsAsciiHexDigit))
        {
            int value = int.Parse(text.ToString(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            if (value is < 0xD800 or > 0xDFFF) return value;
        }

        throw new PatternException($"has an escape that is not followed by {digits} hexadecimal digits of a character");
    }

    private bool Take(char character)
    {
        if (Peek != character) return false;
        _at++;
        return true;
    }
}
