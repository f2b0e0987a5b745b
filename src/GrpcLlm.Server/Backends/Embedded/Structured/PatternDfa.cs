namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>Steps that are left of a number of them; so that what a caller sends cannot cost more. Not thread-safe.</summary>
/// <param name="steps">The number.</param>
internal sealed class StepBudget(int steps)
{
    private int _left = steps;

    /// <summary>Takes some; false if there are not as many left.</summary>
    public bool TryTake(int count)
    {
        _left = Math.Max(_left - count, -1);
        return _left >= 0;
    }
}

/// <summary>
/// Makes a <see cref="CodePointDfa"/> of a regular expression: Glushkov's positions (one for each character set, with
/// repetitions written out), then the sets of them that can be reached. Every step counts against a limit, so that an
/// expression which would explode is refused instead.
/// </summary>
internal sealed class PatternDfa
{
    // A position is where a character set has just matched; position 0 is the beginning.
    private readonly List<IReadOnlyList<(int Low, int High)>> _sets = [[]];
    private readonly List<HashSet<int>> _follow = [[]];
    private readonly StepBudget _steps;

    private PatternDfa(StepBudget steps) => _steps = steps;

    /// <summary>The strings in which a pattern matches.</summary>
    /// <param name="pattern">The pattern.</param>
    /// <param name="steps">What it may take.</param>
    /// <exception cref="PatternException">It is no regular expression, or too large.</exception>
    public static CodePointDfa Compile(string pattern, StepBudget steps)
    {
        var dfa = new PatternDfa(steps);
        Piece whole = dfa.Build(PatternParser.Parse(pattern));
        dfa._follow[0].UnionWith(whole.First);
        var last = new HashSet<int>(whole.Last);
        if (whole.IsEmpty) last.Add(0);
        return CodePointDfa.Explore<int[]>(
            [0], at => (Array.Exists(at, last.Contains), dfa.ArcsOf(at)), StructuredLimits.PatternStates, Positions.Same)
            ?? throw TooLarge();
    }

    private static PatternException TooLarge() =>
        new("needs too large an automaton: give it fewer or smaller repetitions and alternatives");

    private Piece Build(PatternNode node)
    {
        switch (node)
        {
            case PatternNode.Characters characters:
                if (_sets.Count > StructuredLimits.PatternPositions) throw TooLarge();
                _sets.Add(characters.Ranges);
                _follow.Add([]);
                return new Piece(false, [_sets.Count - 1], [_sets.Count - 1]);
            case PatternNode.Sequence sequence:
                return sequence.Parts.Aggregate(Piece.Nothing, (before, part) => Join(before, Build(part)));
            case PatternNode.Choice choice:
                Piece[] parts = [.. choice.Parts.Select(Build)];
                return new Piece(
                    parts.Any(part => part.IsEmpty), [.. parts.SelectMany(part => part.First)],
                    [.. parts.SelectMany(part => part.Last)]);
            case PatternNode.Repeat repeat:
                return Build(repeat);
            default:
                throw new InvalidOperationException($"There is no way to build {node}.");
        }
    }

    private Piece Build(PatternNode.Repeat repeat)
    {
        Piece whole = Piece.Nothing;
        for (int i = 0; i < repeat.Min; i++) whole = Join(whole, Build(repeat.Part));
        if (repeat.Max == int.MaxValue)
        {
            Piece part = Build(repeat.Part);
            Connect(part.Last, part.First);
            return Join(whole, part with { IsEmpty = true });
        }

        // x{0,2} is (x(x)?)?, so that a set of positions stays small.
        Piece optional = Piece.Nothing;
        for (int i = repeat.Min; i < repeat.Max; i++) optional = Join(Build(repeat.Part), optional) with { IsEmpty = true };
        return Join(whole, optional);
    }

    private Piece Join(Piece left, Piece right)
    {
        Step(1 + left.First.Count + right.First.Count + left.Last.Count + right.Last.Count);
        Connect(left.Last, right.First);
        return new Piece(
            left.IsEmpty && right.IsEmpty, left.IsEmpty ? [.. left.First, .. right.First] : left.First,
            right.IsEmpty ? [.. left.Last, .. right.Last] : right.Last);
    }

    private void Connect(List<int> from, List<int> to)
    {
        foreach (int position in from)
        {
            foreach (int next in to)
            {
                Step();
                _follow[position].Add(next);
            }
        }
    }

    private List<(int Low, int High, int[] Target)> ArcsOf(int[] positions)
    {
        var next = new SortedSet<int>();
        foreach (int position in positions)
        {
            Step(_follow[position].Count);
            next.UnionWith(_follow[position]);
        }

        int ranges = next.Sum(position => _sets[position].Count);

        // Between two neighbouring cuts, every set holds all or nothing.
        var cuts = new SortedSet<int>();
        foreach ((int low, int high) in next.SelectMany(position => _sets[position]))
        {
            cuts.Add(low);
            cuts.Add(high + 1);
        }

        var arcs = new List<(int Low, int High, int[] Target)>();
        int from = -1;
        foreach (int cut in cuts)
        {
            if (from >= 0)
            {
                Step(ranges);
                int probe = from;
                int[] target = [.. next.Where(position => _sets[position].Any(range => range.Low <= probe && probe <= range.High))];
                if (target.Length > 0) arcs.Add((from, cut - 1, target));
            }

            from = cut;
        }

        return arcs;
    }

    private void Step(int count = 1)
    {
        if (!_steps.TryTake(count)) throw TooLarge();
    }

    /// <summary>Where a part of the expression may begin and end.</summary>
    /// <param name="IsEmpty">Whether it matches the empty text.</param>
    /// <param name="First">Positions at which it may begin.</param>
    /// <param name="Last">Positions at which it may end.</param>
    private sealed record Piece(bool IsEmpty, List<int> First, List<int> Last)
    {
        public static readonly Piece Nothing = new(true, [], []);
    }

    private sealed class Positions : IEqualityComparer<int[]>
    {
        public static readonly Positions Same = new();

        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] positions)
        {
            var hash = default(HashCode);
            foreach (int position in positions) hash.Add(position);
            return hash.ToHashCode();
        }
    }
}
