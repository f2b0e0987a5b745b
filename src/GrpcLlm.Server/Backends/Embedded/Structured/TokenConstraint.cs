namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// Keeps the tokens of one stream to a grammar: takes those out of the logits that no valid document goes on with, and
/// the end where none is complete. Every text that it lets through is a beginning of a valid document; one that the model
/// may end is a whole one. Not thread-safe.
/// </summary>
/// <remarks>
/// When the tokens that are left come near the bytes of the shortest end (any byte can be one token), only those are let
/// through after which that end can still be reached; and when it cannot be reached byte by byte, those that come
/// nearer to it. So a document becomes complete whenever there are as many tokens as the shortest one has bytes.
/// </remarks>
internal sealed class TokenConstraint
{
    // Masks kept, in bytes.
    private const int MaxKeptBytes = 1 << 20;

    private readonly TokenTrie _trie;
    private readonly Automaton _automaton;
    private readonly MaskWalk _walk;
    private readonly KeyGuard? _keys;
    private readonly Dictionary<Position, TokenMask> _masks = [];
    private readonly TokenMask _urgent;
    private readonly int _maxMasks;
    private Position _position;
    private int _tokensLeft;

    /// <param name="grammar">What may be written.</param>
    /// <param name="trie">The vocabulary.</param>
    /// <param name="maxTokens">Most tokens of the stream.</param>
    public TokenConstraint(Grammar grammar, TokenTrie trie, int maxTokens)
    {
        _trie = trie;
        _automaton = new Automaton(grammar, trie.LongestToken);
        _walk = new MaskWalk(_automaton, trie);
        _keys = grammar.HasFreeKeys ? new KeyGuard() : null;
        _urgent = new TokenMask(trie.VocabularySize);
        _maxMasks = Math.Max(16, MaxKeptBytes / ((trie.VocabularySize / 8) + 1));
        _position = _automaton.Start;
        _tokensLeft = maxTokens;
    }

    /// <summary>
    /// Whether the document is complete and the stream over: nothing can follow, or no token is left for it.
    /// </summary>
    public bool IsComplete => _automaton.MustEnd(_position) || (_tokensLeft <= 0 && _automaton.MayEnd(_position));

    /// <summary>Makes the tokens impossible that must not come next.</summary>
    public void Mask(Span<float> logits)
    {
        if (_automaton.Trim(ref _position)) _masks.Clear();
        TokenMask mask = MaskAt(_automaton.Canonical(_position));
        long end = _automaton.ShortestEnd(_position);
        if (_keys is not null && _position.Frame.IsKey) end += _keys.Missing([], isNew: false);
        long maxEnd = Math.Max(_tokensLeft, end) - 1;
        if (mask.LongestEnd + (_keys is null ? 0 : KeyGuard.MostMissing) > maxEnd)
        {
            _urgent.Clear();
            _walk.Find(_position, _urgent, maxEnd, _keys);
            if (!_urgent.IsEmpty) mask = _urgent; // empty only where readings were given up
        }

        mask.Apply(logits);
        _keys?.Forbid(_trie, logits);
    }

    /// <summary>Goes on by a token that was drawn.</summary>
    /// <exception cref="InvalidOperationException">It was not allowed.</exception>
    public void Accept(int token)
    {
        _tokensLeft--;
        if (_trie.EndTokens.Contains(token)) return;
        bool isNewKey = false;
        foreach (byte value in _trie.BytesOf(token))
        {
            AutomatonFrame before = _position.Frame;
            if (!_automaton.TryStep(_position, value, isNewKey, out _position))
                throw new InvalidOperationException("A token was drawn that the mask does not hold.");
            if (_position.Frame != before) isNewKey = _position.Frame.IsKey;
            _keys?.Accept(before, _position.Frame, value);
        }
    }

    private TokenMask MaskAt(Position position)
    {
        if (_masks.TryGetValue(position, out TokenMask? mask)) return mask;
        if (_masks.Count >= _maxMasks) _masks.Clear();
        _masks[position] = mask = new TokenMask(_trie.VocabularySize);
        _walk.Find(position, mask);
        return mask;
    }
}
