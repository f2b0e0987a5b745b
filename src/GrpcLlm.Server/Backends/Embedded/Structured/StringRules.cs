namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// Makes the rules of strings: what may stand between the quotes. All of them match whole characters of UTF-8 only,
/// without bare control characters. Free strings may be written with every escape that JSON has (surrogates in pairs);
/// given ones and those of a pattern are escaped where they must be and nowhere else, names that are not declared never.
/// Not thread-safe.
/// </summary>
/// <param name="builder">Where rules go.</param>
internal sealed class StringRules(GrammarBuilder builder)
{
    private const string Hex = "09AFaf";

    // What may stand in a string as it is: no control characters, quote, backslash, surrogates.
    private static readonly (int Low, int High)[] Bare =
        [(0x20, 0x21), (0x23, 0x5B), (0x5D, 0xD7FF), (0xE000, CodePointDfa.MaxCodePoint)];

    private static readonly (char Character, char Letter)[] ShortEscapes =
        [('"', '"'), ('\\', '\\'), ('\b', 'b'), ('\t', 't'), ('\n', 'n'), ('\f', 'f'), ('\r', 'r')];

    private readonly Dictionary<(int Min, int Max), int> _free = [];
    private readonly Dictionary<string, int> _keys = new(StringComparer.Ordinal);
    private readonly Dictionary<(int To, string Bytes), int> _tails = [];

    /// <summary>Any string with so many code points.</summary>
    public int Free(int min, int max)
    {
        if (_free.TryGetValue((min, max), out int rule)) return rule;
        _free[(min, max)] = rule = builder.NewRule(RuleKind.Text);
        int start = builder.RuleAt(rule).Start;
        if (min > 0 || max < int.MaxValue)
        {
            builder.RuleAt(rule).Min = min;
            builder.RuleAt(rule).Max = max;
            builder.RuleAt(rule).Loop = start;
        }

        foreach ((int low, int high) in Bare) Raw(start, low, high, start, isCounted: true);
        AnyEscape(start);
        builder.Return(start, '"', isCounted: true);
        return rule;
    }

    /// <summary>The name of a declared property.</summary>
    public int Key(string name)
    {
        if (!_keys.TryGetValue(name, out int rule))
            _keys[name] = rule = Of(CodePointDfa.OfLiterals([name]), RuleKind.Key);
        return rule;
    }

    /// <summary>The name of a property that is not declared.</summary>
    public int FreeKey(IEnumerable<string> declared) => Of(CodePointDfa.OfOthers(declared), RuleKind.FreeKey);

    /// <summary>The strings of an automaton.</summary>
    public int Matching(CodePointDfa dfa) => Of(dfa, RuleKind.Text);

    private int Of(CodePointDfa dfa, RuleKind kind)
    {
        int rule = builder.NewRule(kind);
        int[] states = new int[dfa.Count];
        states[0] = builder.RuleAt(rule).Start;
        for (int state = 1; state < states.Length; state++) states[state] = builder.NewState(rule);
        for (int state = 0; state < states.Length; state++)
        {
            if (dfa.Accepts(state)) builder.Return(states[state], '"');
            foreach (CodePointArc arc in dfa.ArcsOf(state))
            {
                foreach ((int low, int high) in Bare)
                {
                    if (arc.Low <= high && arc.High >= low)
                        Raw(states[state], Math.Max(arc.Low, low), Math.Min(arc.High, high), states[arc.Target]);
                }
            }

            if (kind != RuleKind.FreeKey) Escapes(states[state], dfa.ArcsOf(state), states);
        }

        return rule;
    }

    private void Raw(int from, int low, int high, int to, bool isCounted = false)
    {
        foreach (ByteRange[] bytes in Utf8Ranges.Split(low, high))
        {
            int next = Tail(bytes.AsSpan(1), to);
            builder.Byte(from, bytes[0].Low, bytes[0].High, next, isCounted);
        }
    }

    // Continuations that lead to the same state share their states.
    private int Tail(ReadOnlySpan<ByteRange> bytes, int to)
    {
        if (bytes.IsEmpty) return to;
        string name = string.Create(bytes.Length * 2, bytes, static (span, ranges) =>
        {
            for (int i = 0; i < ranges.Length; i++) (span[2 * i], span[(2 * i) + 1]) = ((char)ranges[i].Low, (char)ranges[i].High);
        });
        if (_tails.TryGetValue((to, name), out int state)) return state;
        _tails[(to, name)] = state = builder.NewStateBeside(to);
        builder.Byte(state, bytes[0].Low, bytes[0].High, Tail(bytes[1..], to));
        return state;
    }

    // Those that must be escaped. A control character without a short escape is written only where it is the very one
    // that is asked for.
    private void Escapes(int from, IReadOnlyList<CodePointArc> arcs, int[] states)
    {
        int? escape = null;
        foreach (CodePointArc arc in arcs)
        {
            bool isShort = false;
            foreach ((char character, char letter) in ShortEscapes)
            {
                if (character < arc.Low || character > arc.High) continue;
                isShort = true;
                builder.Byte(Escape(), letter, letter, states[arc.Target]);
            }

            if (!isShort && arc.Low == arc.High && arc.Low < ' ')
                builder.Text(Escape(), $"u{arc.Low:x4}", states[arc.Target]);
        }

        int Escape()
        {
            if (escape is { } known) return known;
            int state = builder.NewStateBeside(from);
            builder.Byte(from, '\\', '\\', state);
            escape = state;
            return state;
        }
    }

    private void AnyEscape(int start)
    {
        int escape = builder.NewStateBeside(start);
        builder.Byte(start, '\\', '\\', escape, isCounted: true);
        foreach (char letter in "\"\\/bfnrt") builder.Byte(escape, letter, letter, start);

        int lastHex = Before(start, Hex);
        int twoHex = Before(lastHex, Hex);
        int threeHex = Before(twoHex, Hex);
        int unicode = builder.NewStateBeside(start);
        builder.Byte(escape, 'u', 'u', unicode);
        OneOf(unicode, "09ACEFacef", threeHex);

        // D800 to DBFF only before DC00 to DFFF, which alone is nothing.
        int surrogate = builder.NewStateBeside(start);
        OneOf(unicode, "DDdd", surrogate);
        OneOf(surrogate, "07", twoHex);
        int lowLetter = Before(twoHex, "CFcf");
        int lowD = Before(lowLetter, "DDdd");
        int lowU = Before(lowD, "uu");
        int highEnd = Before(lowU, "\\\\");
        OneOf(surrogate, "89ABab", Before(Before(highEnd, Hex), Hex));
    }

    // A state that consumes one of some bytes and leads on.
    private int Before(int to, string ranges)
    {
        int state = builder.NewStateBeside(to);
        OneOf(state, ranges, to);
        return state;
    }

    // Ranges as pairs of characters: "09af" is 0 to 9 and a to f.
    private void OneOf(int from, string ranges, int to)
    {
        for (int i = 0; i < ranges.Length; i += 2) builder.Byte(from, ranges[i], ranges[i + 1], to);
    }
}
