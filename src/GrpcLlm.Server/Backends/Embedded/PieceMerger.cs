namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Joins neighbouring pieces of a text, best pair first, of equal ones the leftmost, until no pair can be joined: the
/// heart of both kinds of tokenizer. Takes O(n log n) steps for n pieces, so a long run of one letter does no harm.
/// </summary>
/// <param name="rule">Which pairs join.</param>
internal sealed class PieceMerger(PieceMerger.Rule rule)
{
    private readonly List<Piece> _pieces = [];
    private readonly PriorityQueue<Pair, (double Rank, int Left)> _pairs = new();

    /// <summary>Decides whether two neighbours join.</summary>
    /// <param name="left">The left one.</param>
    /// <param name="right">The right one.</param>
    /// <param name="rank">How soon: the smallest first.</param>
    /// <param name="token">The token that they make.</param>
    internal delegate bool Rule(in Piece left, in Piece right, out double rank, out int token);

    /// <summary>Adds a piece at the end.</summary>
    /// <param name="start">Place in the text.</param>
    /// <param name="length">Length in the text; above 0.</param>
    /// <param name="token">Its token; -1 for none.</param>
    public void Add(int start, int length, int token) =>
        _pieces.Add(new Piece(start, length, token, _pieces.Count - 1, _pieces.Count + 1));

    /// <summary>Joins what was added and hands over the result, left to right; the merger is empty then.</summary>
    public void Merge(Action<Piece> result)
    {
        for (int left = 0; left + 1 < _pieces.Count; left++) Consider(left, left + 1);
        while (_pairs.TryDequeue(out Pair pair, out _))
        {
            Piece left = _pieces[pair.Left];
            Piece right = _pieces[pair.Right];

            // One of them was joined to another since; what was joined away has length 0.
            if (left.Length == 0 || right.Length == 0 || left.Length + right.Length != pair.Length) continue;

            _pieces[pair.Left] = left with { Length = pair.Length, Token = pair.Token, Next = right.Next };
            _pieces[pair.Right] = right with { Length = 0 };
            if (right.Next < _pieces.Count) _pieces[right.Next] = _pieces[right.Next] with { Previous = pair.Left };
            if (left.Previous >= 0) Consider(left.Previous, pair.Left);
            if (right.Next < _pieces.Count) Consider(pair.Left, right.Next);
        }

        for (int i = 0; i < _pieces.Count; i = _pieces[i].Next) result(_pieces[i]);
        _pieces.Clear();
    }

    private void Consider(int left, int right)
    {
        Piece first = _pieces[left];
        Piece second = _pieces[right];
        if (rule(first, second, out double rank, out int token))
            _pairs.Enqueue(new Pair(left, right, first.Length + second.Length, token), (rank, left));
    }

    /// <summary>A piece of the text.</summary>
    /// <param name="Start">Place in the text.</param>
    /// <param name="Length">Length in the text; 0 once it was joined to its left neighbour.</param>
    /// <param name="Token">Its token; -1 for none.</param>
    /// <param name="Previous">Index of the left neighbour; -1 for none.</param>
    /// <param name="Next">Index of the right neighbour; the number of pieces for none.</param>
    internal readonly record struct Piece(int Start, int Length, int Token, int Previous, int Next);

    /// <summary>Two neighbours that may be joined, if they still are what they were.</summary>
    /// <param name="Left">Index of the left one.</param>
    /// <param name="Right">Index of the right one.</param>
    /// <param name="Length">Their length together when they were found.</param>
    /// <param name="Token">The token that they make.</param>
    private readonly record struct Pair(int Left, int Right, int Length, int Token);
}
