using System.Text;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>Goes on for the code points of a range.</summary>
/// <param name="Low">Lowest code point.</param>
/// <param name="High">Highest code point.</param>
/// <param name="Target">State.</param>
internal readonly record struct CodePointArc(int Low, int High, int Target);

/// <summary>
/// A deterministic automaton over the characters of a string, before JSON writes them. State 0 is the first. Immutable
/// once built.
/// </summary>
internal sealed class CodePointDfa
{
    /// <summary>The last code point.</summary>
    public const int MaxCodePoint = 0x10FFFF;

    private readonly List<(bool Accepts, List<CodePointArc> Arcs)> _states = [];

    private CodePointDfa()
    {
    }

    /// <summary>Number of states.</summary>
    public int Count => _states.Count;

    /// <summary>Whether the string may end in a state.</summary>
    public bool Accepts(int state) => _states[state].Accepts;

    /// <summary>Where a state leads; ranges do not overlap.</summary>
    public IReadOnlyList<CodePointArc> ArcsOf(int state) => _states[state].Arcs;

    /// <summary>Exactly these strings.</summary>
    public static CodePointDfa OfLiterals(IEnumerable<string> literals)
    {
        var dfa = new CodePointDfa();
        dfa.Add(accepts: false);
        foreach (string literal in literals)
        {
            int state = 0;
            foreach (Rune rune in literal.EnumerateRunes())
            {
                List<CodePointArc> arcs = dfa._states[state].Arcs;
                int known = arcs.FindIndex(arc => arc.Low == rune.Value);
                if (known >= 0)
                {
                    state = arcs[known].Target;
                    continue;
                }

                state = dfa.Add(accepts: false);
                arcs.Add(new CodePointArc(rune.Value, rune.Value, state));
            }

            dfa._states[state] = (true, dfa._states[state].Arcs);
        }

        return dfa;
    }

    /// <summary>Every string but these and the empty one.</summary>
    public static CodePointDfa OfOthers(IEnumerable<string> literals)
    {
        CodePointDfa dfa = OfLiterals(literals);
        int tries = dfa.Count;
        int other = dfa.Add(accepts: true);
        dfa._states[other].Arcs.Add(new CodePointArc(0, MaxCodePoint, other));
        for (int state = 0; state < tries; state++)
        {
            (bool isLiteral, List<CodePointArc> arcs) = dfa._states[state];
            int next = 0;
            foreach (CodePointArc arc in arcs.OrderBy(arc => arc.Low).ToList())
            {
                if (arc.Low > next) arcs.Add(new CodePointArc(next, arc.Low - 1, other));
                next = arc.High + 1;
            }

            if (next <= MaxCodePoint) arcs.Add(new CodePointArc(next, MaxCodePoint, other));
            dfa._states[state] = (!isLiteral && state > 0, arcs);
        }

        return dfa;
    }

    /// <summary>Whatever states a caller finds, numbered in the order in which they are found.</summary>
    /// <param name="start">The first.</param>
    /// <param name="expand">Whether one accepts, and where it leads.</param>
    /// <param name="maxStates">Most states.</param>
    /// <param name="comparer">Tells states apart; null: as they do themselves.</param>
    /// <returns>Null if there are more.</returns>
    public static CodePointDfa? Explore<TState>(
        TState start, Func<TState, (bool Accepts, IEnumerable<(int Low, int High, TState Target)> Arcs)> expand,
        int maxStates, IEqualityComparer<TState>? comparer = null)
        where TState : notnull
    {
        var dfa = new CodePointDfa();
        var numbers = new Dictionary<TState, int>(comparer) { [start] = 0 };
        var found = new List<TState> { start };
        for (int state = 0; state < found.Count; state++)
        {
            (bool accepts, IEnumerable<(int Low, int High, TState Target)> arcs) = expand(found[state]);
            dfa.Add(accepts);
            foreach ((int low, int high, TState target) in arcs)
            {
                if (!numbers.TryGetValue(target, out int number))
                {
                    if (found.Count == maxStates) return null;
                    numbers[target] = number = found.Count;
                    found.Add(target);
                }

                dfa._states[state].Arcs.Add(new CodePointArc(low, high, number));
            }
        }

        return dfa;
    }

    /// <summary>Those of its strings that have so many code points.</summary>
    /// <returns>Null if that takes more than <see cref="StructuredLimits.PatternStates"/> states, or steps.</returns>
    public CodePointDfa? WithLength(int min, int max, StepBudget steps)
    {
        if (min == 0 && max == int.MaxValue) return this;
        int most = max == int.MaxValue ? min : max;
        if (!steps.TryTake(_states.Sum(state => state.Arcs.Count) + StructuredLimits.PatternStates)) return null;
        return Explore<(int State, int Length)>(
            (0, 0),
            at => (
                Accepts(at.State) && at.Length >= min,
                at.Length == max
                    ? []
                    : ArcsOf(at.State).Select(arc => (arc.Low, arc.High, (arc.Target, Math.Min(at.Length + 1, most))))),
            StructuredLimits.PatternStates);
    }

    private int Add(bool accepts)
    {
        _states.Add((accepts, []));
        return _states.Count - 1;
    }
}
