using static GrpcLlm.Server.Backends.Embedded.Structured.AutomatonState;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// Runs a <see cref="Grammar"/> deterministically: all readings of a text at once, as sets within frames. States, moves
/// and frames are found when they are first needed and kept, up to a bound. Every position leads to an end. Not
/// thread-safe; one for each stream.
/// </summary>
internal sealed class Automaton
{
    /// <summary>What is kept, in readings and moves: about 16 MiB.</summary>
    public const int MaxKept = 1 << 20;

    private readonly Grammar _grammar;
    private readonly int _longestToken;
    private readonly SortedSet<long> _found = [];
    private readonly Stack<long> _open = new();
    private readonly SortedSet<(long Rule, long Reading)> _behind = [];
    private readonly HashSet<int> _completed = [];
    private Dictionary<(long[] Readings, int Room), AutomatonState> _states = new(new KeyComparer());
    private readonly int _maxKept;
    private int _kept;

    /// <param name="grammar">What to run.</param>
    /// <param name="longestToken">Most bytes that are looked ahead from a canonical position.</param>
    /// <param name="maxKept">Readings and moves that are kept.</param>
    public Automaton(Grammar grammar, int longestToken, int maxKept = MaxKept)
    {
        _maxKept = maxKept;
        _grammar = grammar;
        _longestToken = longestToken;
        Start = Restart([]);
    }

    /// <summary>Before the first byte.</summary>
    public Position Start { get; }

    private bool IsFull => _kept >= _maxKept;

    /// <summary>Goes on by a byte.</summary>
    /// <param name="from">Where.</param>
    /// <param name="value">The byte.</param>
    /// <param name="isNewKey">
    /// Whether the name of a property that it may close was opened within the same token: then it is not taken for one
    /// that is not declared, since nobody could say whether there is one of that name already.
    /// </param>
    /// <param name="next">Where it leads.</param>
    /// <returns>False if no reading goes on with it.</returns>
    public bool TryStep(Position from, byte value, bool isNewKey, out Position next)
    {
        int byteClass = _grammar.ClassOf(value);
        Move move = from.State.MoveOf(byteClass) ?? FindMove(from.State, value, byteClass);
        switch (move.Kind)
        {
            case MoveKind.Stay:
                next = new Position(move.Next!, from.Frame);
                return true;
            case MoveKind.Push:
                if (!from.Frame.Pushes.TryGetValue(move, out next)) next = Push(from.Frame, move);
                return true;
            case MoveKind.Pop:
                if (!from.Frame.Pops.TryGetValue((move, isNewKey), out AutomatonState? state))
                    state = Pop(from.Frame, move, isNewKey);
                next = state is null ? default : new Position(state, from.Frame.Parent!);
                return state is not null;
            default:
                next = default;
                return false;
        }
    }

    /// <summary>Whether the document may end here.</summary>
    public bool MayEnd(Position position) =>
        position.Frame.Parent is null && Array.Exists(position.State.Readings, reading => StateOf(reading) == _grammar.End);

    /// <summary>Whether the document is complete and nothing can follow.</summary>
    public bool MustEnd(Position position) =>
        position.Frame.Parent is null && Array.TrueForAll(position.State.Readings, reading => StateOf(reading) == _grammar.End);

    /// <summary>Bytes of the shortest way from here to the end of the document.</summary>
    public long ShortestEnd(Position position)
    {
        AutomatonState state = position.State;
        if (state.LastFrame == position.Frame) return state.ShortestEnd;
        long shortest = long.MaxValue;
        foreach (long reading in state.Readings) shortest = Math.Min(shortest, CostOf(reading, position.Frame));
        (state.LastFrame, state.ShortestEnd) = (position.Frame, shortest);
        return shortest;
    }

    /// <summary>
    /// A position from which the same tokens are allowed and no end is nearer. What is counted matters only within the
    /// length of a token from a bound, so positions far from any are one.
    /// </summary>
    public Position Canonical(Position position) => new(
        position.State.Canonical ??= Intern([.. position.State.Readings.Select(Canonical).Distinct().Order()], position.State.Room),
        Canonical(position.Frame));

    /// <summary>Drops what is kept if it is too much; the position goes on in fresh states.</summary>
    /// <returns>Whether it did, so that what others keep by position is stale.</returns>
    public bool Trim(ref Position position)
    {
        if (!IsFull) return false;
        var frames = new Stack<AutomatonFrame>();
        for (AutomatonFrame frame = position.Frame; frame.Parent is not null; frame = frame.Parent) frames.Push(frame);
        long[] readings = position.State.Readings;
        AutomatonFrame fresh = Restart(frames).Frame;
        position = new Position(Intern(readings, RoomAt(fresh.Depth)), fresh);
        return true;
    }

    private Position Restart(IEnumerable<AutomatonFrame> frames)
    {
        _states = new Dictionary<(long[] Readings, int Room), AutomatonState>(new KeyComparer());
        _kept = 0;
        var frame = new AutomatonFrame(null, [], 0, RuleKind.Document, _ => 0);
        foreach (AutomatonFrame old in frames) frame = Inner(frame, old.Behind);
        Close(Pack(_grammar.Start, 0), RoomAt(0));
        return new Position(InternFound(RoomAt(0)), frame);
    }

    private Move FindMove(AutomatonState state, byte value, int byteClass)
    {
        _behind.Clear();
        _completed.Clear();
        _found.Clear();
        foreach (long reading in state.Readings)
        {
            int from = StateOf(reading);
            int count = CountOf(reading);
            Rule rule = _grammar.RuleAt(_grammar.RuleOf(from));
            foreach (Edge edge in _grammar.EdgesOf(from))
            {
                if (value < edge.Low || value > edge.High) continue;
                switch (edge.Kind)
                {
                    case EdgeKind.Byte when !edge.IsCounted:
                        Close(Pack(edge.Target, count), state.Room);
                        break;
                    case EdgeKind.Byte when count < rule.Max:
                        // Without a most, what is counted beyond the least does not matter.
                        int more = rule.Max == int.MaxValue ? Math.Min(count + 1, rule.Min) : count + 1;
                        Close(Pack(edge.Target, more), state.Room);
                        break;
                    case EdgeKind.Call when _grammar.NestingOf(from, edge) <= state.Room:
                        _behind.Add((edge.Callee, Pack(edge.Target, count)));
                        break;
                    case EdgeKind.Return when !edge.IsCounted || count >= rule.Min:
                        _completed.Add(_grammar.RuleOf(from));
                        break;
                }
            }
        }

        Move move = Found(state.Room);
        if (!IsFull) state.MoveOf(byteClass) = move;
        return move;
    }

    // A byte stays, opens or closes in all readings alike, since all of them stand in the same place of JSON.
    private Move Found(int room)
    {
        if ((_found.Count > 0 ? 1 : 0) + (_behind.Count > 0 ? 1 : 0) + (_completed.Count > 0 ? 1 : 0) > 1)
            throw new InvalidOperationException("The grammar opens or closes at a byte that is ordinary for another reading.");
        if (_found.Count > 0) return new Move(MoveKind.Stay) { Next = InternFound(room) };
        if (_completed.Count > 0) return new Move(MoveKind.Pop) { Completed = [.. _completed] };
        if (_behind.Count == 0) return Move.Dead;

        (long Rule, long Reading)[] behind = [.. _behind.Take(StructuredLimits.Readings)];
        foreach (long rule in behind.Select(pair => pair.Rule).Distinct())
            Close(Pack(_grammar.RuleAt((int)rule).Start, 0), _grammar.MaxNesting);
        long[] inside = [.. _found.Where(IsOfUse)];
        _found.Clear();
        _kept += inside.Length;
        return new Move(MoveKind.Push) { Inside = inside, Behind = [.. behind.SelectMany(pair => new[] { pair.Rule, pair.Reading })] };
    }

    // Adds a reading, and those that it leads to without a byte.
    private void Close(long reading, int room)
    {
        _open.Push(reading);
        while (_open.TryPop(out long next))
        {
            int state = StateOf(next);
            if (_grammar.NestingOf(state) > room || !_found.Add(next)) continue;
            foreach (Edge edge in _grammar.EdgesOf(state))
            {
                if (edge.Kind == EdgeKind.Empty) _open.Push(Pack(edge.Target, CountOf(next)));
            }
        }
    }

    private Position Push(AutomatonFrame frame, Move move)
    {
        AutomatonFrame inner = Inner(frame, move.Behind);
        int room = RoomAt(inner.Depth);
        IEnumerable<long> inside = move.Inside.Where(reading => _grammar.NestingOf(StateOf(reading)) <= room);
        AutomatonState state = Intern([.. inside.Take(StructuredLimits.Readings)], room);
        var position = new Position(state, inner);
        if (!IsFull) frame.Pushes[move] = position;
        return position;
    }

    private AutomatonState? Pop(AutomatonFrame frame, Move move, bool isNewKey)
    {
        int room = RoomAt(frame.Parent!.Depth);
        _found.Clear();
        foreach (int rule in move.Completed)
        {
            if (isNewKey && _grammar.RuleAt(rule).Kind == RuleKind.FreeKey) continue;
            foreach (long reading in frame.ReadingsBehind(rule)) Close(reading, room);
        }

        AutomatonState? state = _found.Count > 0 ? InternFound(room) : null;
        if (!IsFull) frame.Pops[(move, isNewKey)] = state;
        return state;
    }

    private AutomatonFrame Inner(AutomatonFrame frame, long[] behind)
    {
        if (frame.Inner.TryGetValue(behind, out AutomatonFrame? known)) return known;
        RuleKind kind = _grammar.RuleAt((int)behind[0]).Kind;
        var inner = new AutomatonFrame(
            frame, behind, frame.Depth + (kind == RuleKind.Container ? 1 : 0), kind, reading => CostOf(reading, frame));
        _kept += behind.Length;
        if (!IsFull) frame.Inner[behind] = inner;
        return inner;
    }

    private AutomatonFrame Canonical(AutomatonFrame frame)
    {
        if (frame.Parent is null) return frame;
        if (frame.Canonical is { } known) return known;
        IEnumerable<(long Rule, long Reading)> behind = frame.Behind.Chunk(2).Select(pair => (pair[0], Canonical(pair[1])));
        return frame.Canonical = Inner(
            Canonical(frame.Parent), [.. behind.Distinct().Order().SelectMany(pair => new[] { pair.Item1, pair.Item2 })]);
    }

    private long Canonical(long reading)
    {
        int count = CountOf(reading);
        Rule rule = _grammar.RuleAt(_grammar.RuleOf(StateOf(reading)));
        if (count < rule.Min - _longestToken) return Pack(StateOf(reading), 0);
        bool isFarFromMost = count >= rule.Min && count < rule.Max - _longestToken;
        return isFarFromMost ? Pack(StateOf(reading), rule.Min) : reading;
    }

    private long CostOf(long reading, AutomatonFrame frame) =>
        _grammar.CostOf(StateOf(reading), CountOf(reading)) + frame.CostBehind(_grammar.RuleOf(StateOf(reading)));

    private AutomatonState InternFound(int room)
    {
        // Readings that only lead on without a byte have been followed.
        long[] readings = [.. _found.Where(IsOfUse).Take(StructuredLimits.Readings)];
        _found.Clear();
        return Intern(readings, room);
    }

    private bool IsOfUse(long reading)
    {
        int state = StateOf(reading);
        if (state == _grammar.End) return true;
        foreach (Edge edge in _grammar.EdgesOf(state))
        {
            if (edge.Kind != EdgeKind.Empty) return true;
        }

        return false;
    }

    private AutomatonState Intern(long[] readings, int room)
    {
        if (_states.TryGetValue((readings, room), out AutomatonState? state)) return state;
        state = new AutomatonState(readings, room, _grammar.ClassCount);
        _kept += readings.Length + _grammar.ClassCount;
        if (!IsFull) _states[(readings, room)] = state;
        return state;
    }

    private int RoomAt(int depth) => Math.Min(StructuredLimits.Depth - depth, _grammar.MaxNesting);

    private sealed class KeyComparer : IEqualityComparer<(long[] Readings, int Room)>
    {
        public bool Equals((long[] Readings, int Room) x, (long[] Readings, int Room) y) =>
            x.Room == y.Room && LongSequence.Comparer.Equals(x.Readings, y.Readings);

        public int GetHashCode((long[] Readings, int Room) key) =>
            HashCode.Combine(key.Room, LongSequence.Comparer.GetHashCode(key.Readings));
    }
}
