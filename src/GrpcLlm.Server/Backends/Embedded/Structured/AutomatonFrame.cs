namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// What waits for the end of an object, array or string: which rules may be running inside, and the readings behind each.
/// A frame knows the frame that it is in, so it stands for the whole stack.
/// </summary>
internal sealed class AutomatonFrame
{
    private readonly int[] _rules;
    private readonly long[] _costs;

    /// <param name="parent">The frame that it is in; null for the document's own.</param>
    /// <param name="behind">Pairs of a rule and the reading behind it, in ascending order.</param>
    /// <param name="depth">Containers that are open.</param>
    /// <param name="kind">What it holds.</param>
    /// <param name="costOf">Bytes from a reading of the parent to the end of the document.</param>
    public AutomatonFrame(AutomatonFrame? parent, long[] behind, int depth, RuleKind kind, Func<long, long> costOf)
    {
        Parent = parent;
        Behind = behind;
        Depth = depth;
        Kind = kind;
        _rules = parent is null ? [0] : [.. Rules().Distinct()];
        _costs = parent is null ? [0] : [.. _rules.Select(rule => ReadingsBehind(rule).Min(costOf))];
    }

    /// <summary>The frame that it is in; null for the document's own.</summary>
    public AutomatonFrame? Parent { get; }

    /// <summary>Pairs of a rule and the reading behind it.</summary>
    public long[] Behind { get; }

    /// <summary>Containers that are open.</summary>
    public int Depth { get; }

    /// <summary>What it holds; of names, declared or not.</summary>
    public RuleKind Kind { get; }

    /// <summary>Whether it is the name of a property.</summary>
    public bool IsKey => Kind is RuleKind.Key or RuleKind.FreeKey;

    /// <summary>Whether it is in no string.</summary>
    public bool IsContainer => Kind is RuleKind.Container or RuleKind.Document;

    /// <summary>The frame that allows the same next tokens, with counts as small as possible; null: not asked yet.</summary>
    public AutomatonFrame? Canonical { get; set; }

    /// <summary>Frames in it, by what waits in them.</summary>
    public Dictionary<long[], AutomatonFrame> Inner { get; } = new(LongSequence.Comparer);

    /// <summary>Pushes from it, each found once.</summary>
    public Dictionary<Move, Position> Pushes { get; } = [];

    /// <summary>Where pops from it lead in its parent, each found once; null: nowhere.</summary>
    public Dictionary<(Move Move, bool IsNewKey), AutomatonState?> Pops { get; } = [];

    /// <summary>Bytes from the end of a rule in it to the end of the document.</summary>
    public long CostBehind(int rule) => _costs[Array.BinarySearch(_rules, rule)];

    /// <summary>The readings behind a rule.</summary>
    public IEnumerable<long> ReadingsBehind(int rule)
    {
        for (int i = 0; i < Behind.Length; i += 2)
        {
            if (Behind[i] == rule) yield return Behind[i + 1];
        }
    }

    private IEnumerable<int> Rules()
    {
        for (int i = 0; i < Behind.Length; i += 2) yield return (int)Behind[i];
    }
}

/// <summary>Where an automaton stands: the readings within the frame, and the frame.</summary>
/// <param name="State">The readings.</param>
/// <param name="Frame">The frame.</param>
internal readonly record struct Position(AutomatonState State, AutomatonFrame Frame);

/// <summary>Compares arrays by what is in them.</summary>
internal sealed class LongSequence : IEqualityComparer<long[]>
{
    public static readonly LongSequence Comparer = new();

    private LongSequence()
    {
    }

    public bool Equals(long[]? x, long[]? y) => x.AsSpan().SequenceEqual(y);

    public int GetHashCode(long[] numbers)
    {
        var hash = default(HashCode);
        foreach (long number in numbers) hash.Add(number);
        return hash.ToHashCode();
    }
}
