namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>What an <see cref="Edge"/> does.</summary>
internal enum EdgeKind : byte
{
    /// <summary>Consumes a byte.</summary>
    Byte,

    /// <summary>Consumes nothing.</summary>
    Empty,

    /// <summary>Consumes an opening byte, runs a rule to its return, and goes on at the target.</summary>
    Call,

    /// <summary>Consumes a closing byte and leaves the rule.</summary>
    Return,
}

/// <summary>What a <see cref="Rule"/> reads.</summary>
internal enum RuleKind : byte
{
    /// <summary>The whole document.</summary>
    Document,

    /// <summary>What is between the brackets of an object or array.</summary>
    Container,

    /// <summary>What is between the quotes of a string.</summary>
    Text,

    /// <summary>The name of a declared property, between its quotes.</summary>
    Key,

    /// <summary>The name of a property that is not declared; no two of one object are the same.</summary>
    FreeKey,
}

/// <summary>One step of a grammar.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Low">Lowest byte that it consumes.</param>
/// <param name="High">Highest byte; below <paramref name="Low"/> for an empty edge, which matches none.</param>
/// <param name="Target">Where it leads; of a call, after the return.</param>
/// <param name="Callee">The rule that a call runs.</param>
/// <param name="IsCounted">
/// A byte: it counts one, and is closed once the rule's most are counted. A return: it is closed until the rule's least
/// are counted.
/// </param>
internal readonly record struct Edge(
    EdgeKind Kind, byte Low, byte High, int Target, int Callee = -1, bool IsCounted = false);

/// <summary>
/// A part of a grammar that is entered by an opening byte and left by a closing one. It may count something: characters
/// of a string, elements of an array.
/// </summary>
/// <param name="kind">What it reads.</param>
/// <param name="start">Its first state.</param>
internal sealed class Rule(RuleKind kind, int start)
{
    /// <summary>What it reads.</summary>
    public RuleKind Kind { get; } = kind;

    /// <summary>Its first state.</summary>
    public int Start { get; } = start;

    /// <summary>Fewest counted.</summary>
    public int Min { get; set; }

    /// <summary>Most counted.</summary>
    public int Max { get; set; } = int.MaxValue;

    /// <summary>Where counted edges lead, as far as the shortest way is concerned; -1 if nothing is counted.</summary>
    public int Loop { get; set; } = -1;
}

/// <summary>
/// A compiled shape of output: a visibly pushdown automaton over bytes. Quotes, braces and brackets push and pop, so
/// all readings of a text have the same stack height and the automaton can be determinised (<see cref="Automaton"/>),
/// whatever alternatives and recursion there are. Every state left in it leads to an end. Immutable and thread-safe.
/// </summary>
internal sealed class Grammar
{
    private readonly int[] _firstEdge;
    private readonly Edge[] _edges;
    private readonly int[] _ruleOf;
    private readonly Rule[] _rules;
    private readonly CompletionCosts _bytes;
    private readonly CompletionCosts _nesting;
    private readonly byte[] _classOf = new byte[256];

    /// <summary>Takes over what a builder made, without what leads nowhere.</summary>
    /// <param name="rules">Its rules; the first is the document.</param>
    /// <param name="ruleOf">The rule of each state.</param>
    /// <param name="end">The state in which the document is complete.</param>
    /// <param name="edges">Its edges, with the states that they leave.</param>
    public Grammar(Rule[] rules, int[] ruleOf, int end, IReadOnlyList<(int From, Edge Edge)> edges)
    {
        _rules = rules;
        _ruleOf = ruleOf;
        End = end;
        _bytes = CompletionCosts.Solve(rules, ruleOf.Length, end, edges, isNesting: false);
        _nesting = CompletionCosts.Solve(rules, ruleOf.Length, end, edges, isNesting: true);

        List<(int From, Edge Edge)> alive = [.. edges.Where(entry => IsAlive(entry.From) && LeadsOn(entry.Edge))];
        _firstEdge = new int[ruleOf.Length + 1];
        foreach ((int from, _) in alive) _firstEdge[from + 1]++;
        for (int state = 0; state < ruleOf.Length; state++) _firstEdge[state + 1] += _firstEdge[state];
        _edges = new Edge[alive.Count];
        int[] next = [.. _firstEdge];
        foreach ((int from, Edge edge) in alive) _edges[next[from]++] = edge;

        MaxNesting = alive.Select(entry => NestingOf(entry.From, entry.Edge)).DefaultIfEmpty().Max();
        HasFreeKeys = alive.Exists(entry =>
            entry.Edge.Kind == EdgeKind.Call && rules[entry.Edge.Callee].Kind == RuleKind.FreeKey);
        ClassCount = Classify();
    }

    /// <summary>The state in which the document is complete.</summary>
    public int End { get; }

    /// <summary>The document's first state.</summary>
    public int Start => _rules[0].Start;

    /// <summary>Number of states.</summary>
    public int StateCount => _ruleOf.Length;

    /// <summary>Whether there is any document, within <see cref="StructuredLimits.Depth"/>.</summary>
    public bool HasDocuments => IsAlive(Start) && _nesting.Of(Start) <= StructuredLimits.Depth;

    /// <summary>Bytes of the shortest document.</summary>
    public long ShortestDocument => CostOf(Start, 0);

    /// <summary>Containers within each other that any place may still need.</summary>
    public int MaxNesting { get; }

    /// <summary>Whether objects may have properties that are not declared.</summary>
    public bool HasFreeKeys { get; }

    /// <summary>Number of classes of bytes.</summary>
    public int ClassCount { get; }

    /// <summary>The class of a byte: bytes of one class do the same in every state.</summary>
    public int ClassOf(byte value) => _classOf[value];

    /// <summary>The edges that leave a state.</summary>
    public ReadOnlySpan<Edge> EdgesOf(int state) => _edges.AsSpan(_firstEdge[state].._firstEdge[state + 1]);

    /// <summary>The rule that a state belongs to.</summary>
    public int RuleOf(int state) => _ruleOf[state];

    /// <summary>A rule.</summary>
    public Rule RuleAt(int rule) => _rules[rule];

    /// <summary>Bytes of the shortest way from a state out of its rule, when so many were counted.</summary>
    public long CostOf(int state, int count)
    {
        int rule = _ruleOf[state];
        int missing = _rules[rule].Min - count;
        return _bytes.Of(state) + (missing > 0 ? missing * _bytes.Of(_rules[rule].Loop) : 0);
    }

    /// <summary>Containers within each other that the flattest way from a state out of its rule needs.</summary>
    public int NestingOf(int state) => (int)_nesting.Of(state);

    /// <summary>The same for the flattest way that begins with an edge.</summary>
    public int NestingOf(int state, Edge edge)
    {
        if (edge.Kind == EdgeKind.Return) return 0;
        long target = _nesting.Of(edge.Target);
        if (edge.Kind != EdgeKind.Call) return (int)Math.Max(target, _nesting.Of(state));
        int own = _rules[edge.Callee].Kind == RuleKind.Container ? 1 : 0;
        return (int)Math.Max(target, own + _nesting.OfRule(edge.Callee));
    }

    private bool IsAlive(int state) => _bytes.Of(state) < CompletionCosts.Never;

    private bool LeadsOn(Edge edge) => edge.Kind switch
    {
        EdgeKind.Return => true,
        EdgeKind.Call => IsAlive(edge.Target) && _bytes.OfRule(edge.Callee) < CompletionCosts.Never,
        _ => IsAlive(edge.Target),
    };

    // Wherever an edge begins or ends to match, a new class begins.
    private int Classify()
    {
        var begins = new bool[257];
        begins[0] = true;
        foreach (Edge edge in _edges)
        {
            if (edge.Kind == EdgeKind.Empty) continue;
            begins[edge.Low] = true;
            begins[edge.High + 1] = true;
        }

        int count = 0;
        for (int value = 0; value < 256; value++)
        {
            if (begins[value]) count++;
            _classOf[value] = (byte)(count - 1);
        }

        return count;
    }
}
