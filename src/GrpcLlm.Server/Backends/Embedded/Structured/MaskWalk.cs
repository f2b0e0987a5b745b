namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>Finds the tokens that are allowed at a position, by walking the vocabulary's tree beside the automaton.</summary>
/// <param name="automaton">The automaton.</param>
/// <param name="trie">The vocabulary.</param>
internal sealed class MaskWalk(Automaton automaton, TokenTrie trie)
{
    private readonly Position[] _positions = new Position[trie.LongestToken + 1];

    // Where the name of a property begins that was opened within the token; -1: there is none.
    private readonly int[] _keyStarts = new int[trie.LongestToken + 1];
    private readonly byte[] _text = new byte[trie.LongestToken + 1];

    /// <summary>Finds them.</summary>
    /// <param name="from">The position.</param>
    /// <param name="mask">An empty mask.</param>
    /// <param name="maxEnd">Longest way, in bytes, that a token may leave to an end.</param>
    /// <param name="guard">Names of properties that lengthen that way; null: they are not asked.</param>
    public void Find(Position from, TokenMask mask, long maxEnd = long.MaxValue, KeyGuard? guard = null)
    {
        if (automaton.MayEnd(from))
        {
            foreach (int token in trie.EndTokens) mask.Add(token);
        }

        _positions[0] = from;
        _keyStarts[0] = -1;
        for (int node = 1; node < trie.NodeCount;)
        {
            int depth = trie.DepthOf(node);
            Position before = _positions[depth - 1];
            int keyStart = _keyStarts[depth - 1];
            _text[depth - 1] = trie.LabelOf(node);
            if (!automaton.TryStep(before, trie.LabelOf(node), keyStart >= 0, out Position position))
            {
                node = trie.EndOf(node);
                continue;
            }

            _positions[depth] = position;
            _keyStarts[depth] = position.Frame == before.Frame ? keyStart : position.Frame.IsKey ? depth : -1;
            ReadOnlySpan<int> tokens = trie.TokensAt(node);
            if (!tokens.IsEmpty)
            {
                long end = automaton.ShortestEnd(position);
                if (guard is not null && position.Frame.IsKey) end += MissingOf(guard, from.Frame, position.Frame, depth);
                if (end <= maxEnd)
                {
                    foreach (int token in tokens) mask.Add(token);
                    mask.LongestEnd = Math.Max(mask.LongestEnd, end);
                }
            }

            node++;
        }
    }

    // What a name that is being written behind a token still lacks to be a new one.
    private int MissingOf(KeyGuard guard, AutomatonFrame from, AutomatonFrame key, int depth)
    {
        int start = _keyStarts[depth];
        if (start < 0) return guard.Missing(_text.AsSpan(0, depth), isNew: false);
        AutomatonFrame around = from.IsContainer ? from : from.Parent!;
        if (key.Parent == around) return guard.Missing(_text.AsSpan(start..depth), isNew: true);

        // The token opened an object, which has no names yet, or went back to one, whose names are not looked up.
        return key.Depth > from.Depth ? 0 : KeyGuard.MostMissing;
    }
}
