namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>Sets of code points as ranges, by the rules of ECMAScript, which JSON Schema's patterns follow.</summary>
internal static class CharacterSet
{
    /// <summary>What <c>.</c> matches: no line ends.</summary>
    public static readonly IReadOnlyList<(int Low, int High)> Dot =
        Without([('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029)]);

    /// <summary>Everything.</summary>
    public static readonly IReadOnlyList<(int Low, int High)> All = [(0, CodePointDfa.MaxCodePoint)];

    private static readonly (int Low, int High)[] Digits = [('0', '9')];

    private static readonly (int Low, int High)[] Word = [('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

    private static readonly (int Low, int High)[] Space =
    [
        (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F),
        (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
    ];

    /// <summary>What a class escape such as <c>\d</c> matches; null if the letter names none.</summary>
    public static IReadOnlyList<(int Low, int High)>? OfEscape(char letter) => letter switch
    {
        'd' => Digits,
        'D' => Without(Digits),
        'w' => Word,
        'W' => Without(Word),
        's' => Space,
        'S' => Without(Space),
        _ => null,
    };

    /// <summary>Everything but some ranges.</summary>
    public static IReadOnlyList<(int Low, int High)> Without(IEnumerable<(int Low, int High)> ranges)
    {
        var rest = new List<(int Low, int High)>();
        int next = 0;
        foreach ((int low, int high) in ranges.Order())
        {
            if (low > next) rest.Add((next, low - 1));
            next = Math.Max(next, high + 1);
        }

        if (next <= CodePointDfa.MaxCodePoint) rest.Add((next, CodePointDfa.MaxCodePoint));
        return rest;
    }
}
