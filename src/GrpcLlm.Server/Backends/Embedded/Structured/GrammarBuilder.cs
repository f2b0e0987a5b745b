using System.Text;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>A schema needs a grammar above the limits.</summary>
internal sealed class GrammarTooLargeException() : Exception(
    $"needs more than {StructuredLimits.States} states; make it smaller, or bounds tighter or absent");

/// <summary>Puts a <see cref="Grammar"/> together. Not thread-safe.</summary>
internal sealed class GrammarBuilder
{
    private readonly List<Rule> _rules = [];
    private readonly List<int> _ruleOf = [];
    private readonly List<(int From, Edge Edge)> _edges = [];

    public GrammarBuilder()
    {
        NewRule(RuleKind.Document);
        End = NewState(0);
    }

    /// <summary>The document's first state.</summary>
    public int Start => _rules[0].Start;

    /// <summary>The state in which the document is complete.</summary>
    public int End { get; }

    /// <summary>Adds a rule with its first state.</summary>
    public int NewRule(RuleKind kind)
    {
        int rule = _rules.Count;
        _rules.Add(new Rule(kind, NewState(rule)));
        return rule;
    }

    /// <summary>A rule.</summary>
    public Rule RuleAt(int rule) => _rules[rule];

    /// <summary>Adds a state to a rule.</summary>
    /// <exception cref="GrammarTooLargeException">There are too many.</exception>
    public int NewState(int rule)
    {
        if (_ruleOf.Count >= StructuredLimits.States) throw new GrammarTooLargeException();
        _ruleOf.Add(rule);
        return _ruleOf.Count - 1;
    }

    /// <summary>Adds a state to the rule of another state.</summary>
    public int NewStateBeside(int state) => NewState(_ruleOf[state]);

    /// <summary>Consumes a byte of a range.</summary>
    public void Byte(int from, int low, int high, int to, bool isCounted = false) =>
        Add(from, new Edge(EdgeKind.Byte, (byte)low, (byte)high, to, IsCounted: isCounted));

    /// <summary>Consumes nothing.</summary>
    public void Empty(int from, int to) => Add(from, new Edge(EdgeKind.Empty, 1, 0, to));

    /// <summary>Consumes an opening byte, runs a rule and goes on.</summary>
    public void Call(int from, char opening, int rule, int to) =>
        Add(from, new Edge(EdgeKind.Call, (byte)opening, (byte)opening, to, rule));

    /// <summary>Consumes the closing byte of the rule.</summary>
    public void Return(int from, char closing, bool isCounted = false) =>
        Add(from, new Edge(EdgeKind.Return, (byte)closing, (byte)closing, -1, IsCounted: isCounted));

    /// <summary>Consumes an ASCII text.</summary>
    public void Text(int from, string text, int to)
    {
        foreach (byte value in Encoding.ASCII.GetBytes(text, 0, text.Length - 1))
        {
            int next = NewStateBeside(from);
            Byte(from, value, value, next);
            from = next;
        }

        Byte(from, text[^1], text[^1], to);
    }

    /// <summary>Consumes a comma or colon, and a space if one comes.</summary>
    /// <returns>The state behind it.</returns>
    public int Separator(int from, char separator, bool isCounted = false)
    {
        int spaced = NewStateBeside(from);
        int next = NewStateBeside(from);
        Byte(from, separator, separator, spaced, isCounted);
        Byte(spaced, ' ', ' ', next);
        Empty(spaced, next);
        return next;
    }

    /// <summary>Makes the grammar.</summary>
    public Grammar Build() => new([.. _rules], [.. _ruleOf], End, _edges);

    private void Add(int from, Edge edge)
    {
        if (_edges.Count >= StructuredLimits.Edges) throw new GrammarTooLargeException();
        _edges.Add((from, edge));
    }
}
