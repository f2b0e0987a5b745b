namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>What a byte does in an <see cref="AutomatonState"/>.</summary>
internal enum MoveKind : byte
{
    /// <summary>No reading goes on with it.</summary>
    Dead,

    /// <summary>It stays in the frame.</summary>
    Stay,

    /// <summary>It opens an object, an array or a string.</summary>
    Push,

    /// <summary>It closes one.</summary>
    Pop,
}

/// <summary>A move, found once for a state and a class of bytes.</summary>
internal sealed class Move(MoveKind kind)
{
    public static readonly Move Dead = new(MoveKind.Dead);

    public MoveKind Kind { get; } = kind;

    /// <summary>Of a stay: where it leads.</summary>
    public AutomatonState? Next { get; init; }

    /// <summary>Of a push: the readings inside.</summary>
    public long[] Inside { get; init; } = [];

    /// <summary>Of a push: pairs of a rule and the reading behind it.</summary>
    public long[] Behind { get; init; } = [];

    /// <summary>Of a pop: the rules that it completes.</summary>
    public HashSet<int> Completed { get; init; } = [];
}

/// <summary>
/// A state of the determinised automaton: the readings of a text that are possible within one frame. A reading is a state
/// of the grammar and what its rule has counted so far, packed into one number.
/// </summary>
/// <param name="readings">In ascending order.</param>
/// <param name="room">Containers that may still be opened in each other, as far as that matters.</param>
/// <param name="classCount">Number of classes of bytes.</param>
internal sealed class AutomatonState(long[] readings, int room, int classCount)
{
    private readonly Move?[] _moves = new Move?[classCount];

    /// <summary>The readings.</summary>
    public long[] Readings { get; } = readings;

    /// <summary>Containers that may still be opened in each other, as far as that matters.</summary>
    public int Room { get; } = room;

    /// <summary>The state that allows the same next tokens, with counts as small as possible; null: not asked yet.</summary>
    public AutomatonState? Canonical { get; set; }

    /// <summary>The frame for which <see cref="ShortestEnd"/> was asked last.</summary>
    public AutomatonFrame? LastFrame { get; set; }

    /// <summary>Bytes of the shortest way to the end of the document in <see cref="LastFrame"/>.</summary>
    public long ShortestEnd { get; set; }

    /// <summary>What a class of bytes does; null: not asked yet.</summary>
    public ref Move? MoveOf(int byteClass) => ref _moves[byteClass];

    /// <summary>A reading.</summary>
    public static long Pack(int state, int count) => ((long)state << 32) | (uint)count;

    /// <summary>The grammar's state of a reading.</summary>
    public static int StateOf(long reading) => (int)(reading >> 32);

    /// <summary>What it has counted.</summary>
    public static int CountOf(long reading) => (int)reading;
}
