namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// What the cheapest way from each state out of its rule costs, in bytes or in containers within each other. Found by
/// Knuth's generalisation of Dijkstra's algorithm to grammars: a call costs what its rule costs, and is known once both
/// the rule and the state behind it are. A thing that is never known leads nowhere.
/// </summary>
internal sealed class CompletionCosts
{
    /// <summary>There is no way.</summary>
    public const long Never = long.MaxValue;

    private readonly long[] _states;
    private readonly long[] _rules;

    private CompletionCosts(long[] states, long[] rules)
    {
        _states = states;
        _rules = rules;
    }

    /// <summary>Cost from a state, when as many are counted as its rule demands.</summary>
    public long Of(int state) => _states[state];

    /// <summary>Cost of a rule from its first state on, what it has to count included.</summary>
    public long OfRule(int rule) => _rules[rule];

    /// <summary>Finds all costs.</summary>
    /// <param name="rules">The rules; the first is the document.</param>
    /// <param name="stateCount">Number of states.</param>
    /// <param name="end">The state in which the document is complete.</param>
    /// <param name="edges">The edges, with the states that they leave.</param>
    /// <param name="isNesting">Whether containers within each other are the cost; else bytes.</param>
    public static CompletionCosts Solve(
        IReadOnlyList<Rule> rules, int stateCount, int end, IReadOnlyList<(int From, Edge Edge)> edges, bool isNesting) =>
        new Solver(rules, stateCount, edges, isNesting).Run(end);

    private sealed class Solver
    {
        private readonly IReadOnlyList<Rule> _rules;
        private readonly bool _isNesting;
        private readonly ILookup<int, (int From, Edge Edge)> _into;
        private readonly ILookup<int, (int From, Edge Edge)> _callsOf;
        private readonly IEnumerable<int> _returning;
        private readonly ILookup<int, int> _rulesAt;
        private readonly long[] _stateCosts;
        private readonly long[] _ruleCosts;

        // A rule stands behind the states.
        private readonly PriorityQueue<int, long> _open = new();

        public Solver(
            IReadOnlyList<Rule> rules, int stateCount, IReadOnlyList<(int From, Edge Edge)> edges, bool isNesting)
        {
            _rules = rules;
            _isNesting = isNesting;
            _into = edges.Where(entry => entry.Edge.Kind != EdgeKind.Return).ToLookup(entry => entry.Edge.Target);
            _callsOf = edges.Where(entry => entry.Edge.Kind == EdgeKind.Call).ToLookup(entry => entry.Edge.Callee);
            _returning = edges.Where(entry => entry.Edge.Kind == EdgeKind.Return).Select(entry => entry.From);
            _rulesAt = Enumerable.Range(0, rules.Count)
                .SelectMany(rule => new[] { (State: rules[rule].Start, Rule: rule), (State: rules[rule].Loop, Rule: rule) })
                .ToLookup(entry => entry.State, entry => entry.Rule);
            _stateCosts = new long[stateCount];
            _ruleCosts = new long[rules.Count];
            Array.Fill(_stateCosts, Never);
            Array.Fill(_ruleCosts, Never);
        }

        public CompletionCosts Run(int end)
        {
            _open.Enqueue(end, 0);
            foreach (int state in _returning) _open.Enqueue(state, _isNesting ? 0 : 1);
            while (_open.TryDequeue(out int node, out long cost))
            {
                if (node < _stateCosts.Length) SettleState(node, cost);
                else SettleRule(node - _stateCosts.Length, cost);
            }

            return new CompletionCosts(_stateCosts, _ruleCosts);
        }

        private void SettleState(int state, long cost)
        {
            if (_stateCosts[state] != Never) return;
            _stateCosts[state] = cost;
            foreach ((int from, Edge edge) in _into[state])
            {
                if (edge.Kind == EdgeKind.Call) TryCall(from, edge);
                else _open.Enqueue(from, cost + (_isNesting || edge.Kind == EdgeKind.Empty ? 0 : 1));
            }

            foreach (int rule in _rulesAt[state]) TryRule(rule);
        }

        private void SettleRule(int rule, long cost)
        {
            if (_ruleCosts[rule] != Never) return;
            _ruleCosts[rule] = cost;
            foreach ((int from, Edge edge) in _callsOf[rule]) TryCall(from, edge);
        }

        private void TryCall(int from, Edge edge)
        {
            long rule = _ruleCosts[edge.Callee];
            long target = _stateCosts[edge.Target];
            if (rule == Never || target == Never) return;
            int own = _rules[edge.Callee].Kind == RuleKind.Container ? 1 : 0;
            _open.Enqueue(from, _isNesting ? Math.Max(rule + own, target) : 1 + rule + target);
        }

        private void TryRule(int index)
        {
            Rule rule = _rules[index];
            long cost = _stateCosts[rule.Start];
            if (cost == Never) return;
            if (rule.Min > 0)
            {
                // Behind what is counted stands the closing byte alone, so a further one costs as much as its beginning.
                long loop = _stateCosts[rule.Loop];
                if (loop == Never) return;
                cost = _isNesting ? Math.Max(cost, loop) : cost + (rule.Min * loop);
            }

            _open.Enqueue(_stateCosts.Length + index, cost);
        }
    }
}
