namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Tokens of several streams that go through the network together: for each stream, some tokens that follow those in
/// its cache. Filled anew for each pass. Not thread-safe.
/// </summary>
/// <param name="maxTokens">Most tokens of a pass.</param>
internal sealed class ForwardBatch(int maxTokens)
{
    private readonly Sequence[] _sequences = new Sequence[maxTokens];
    private readonly int[] _tokens = new int[maxTokens];
    private readonly int[] _positions = new int[maxTokens];

    /// <summary>The streams.</summary>
    public ReadOnlySpan<Sequence> Sequences => _sequences.AsSpan(0, Count);

    /// <summary>All tokens, stream after stream.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, TokenCount);

    /// <summary>The tokens' places in their streams.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, TokenCount);

    /// <summary>Number of streams.</summary>
    public int Count { get; private set; }

    /// <summary>Number of tokens.</summary>
    public int TokenCount { get; private set; }

    /// <summary>Streams whose next token is wanted.</summary>
    public int OutputCount { get; private set; }

    /// <summary>Tokens that can be added.</summary>
    public int Room => maxTokens - TokenCount;

    /// <summary>Adds a stream.</summary>
    /// <param name="cache">Its keys and values; room for the tokens is reserved here.</param>
    /// <param name="tokens">Token ids in the vocabulary; at least one, at most <see cref="Room"/>.</param>
    /// <param name="wantsLogits">Whether logits after the last of them are wanted.</param>
    public void Add(KvCache cache, ReadOnlySpan<int> tokens, bool wantsLogits)
    {
        cache.Reserve(tokens.Length);
        tokens.CopyTo(_tokens.AsSpan(TokenCount, tokens.Length));
        _sequences[Count++] = new Sequence(cache, TokenCount, tokens.Length, wantsLogits ? OutputCount++ : -1);
        for (int i = 0; i < tokens.Length; i++) _positions[TokenCount++] = cache.Length + i;
    }

    /// <summary>Counts the tokens in the streams' caches, after the pass.</summary>
    public void Commit()
    {
        foreach (Sequence sequence in Sequences) sequence.Cache.Commit(Tokens.Slice(sequence.Row, sequence.Count));
    }

    /// <summary>Empties it.</summary>
    public void Clear()
    {
        Array.Clear(_sequences, 0, Count);
        Count = TokenCount = OutputCount = 0;
    }

    /// <summary>Tokens of one stream.</summary>
    /// <param name="Cache">Its keys and values.</param>
    /// <param name="Row">Index of the first token.</param>
    /// <param name="Count">Number of tokens.</param>
    /// <param name="Output">Row of its logits; below 0 if they are not wanted.</param>
    internal readonly record struct Sequence(KvCache Cache, int Row, int Count, int Output);
}
