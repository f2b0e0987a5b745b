namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Keys and values of one stream, position by position, in pages taken as it grows. It begins with the pages of the
/// longest prefix that is known already. Used by one thread at a time.
/// </summary>
internal sealed class KvCache : IDisposable
{
    private readonly KvPagePool _pool;
    private readonly KvPage?[] _pages;
    private readonly int _capacity;
    private PrefixEnd _prefix;
    private int _pageCount;

    /// <param name="pool">Where pages come from.</param>
    /// <param name="capacity">Most positions.</param>
    /// <param name="tenant">Whose stream it is.</param>
    /// <param name="prompt">Tokens to come, whose prefix may be known; the last of them is computed in any case.</param>
    public KvCache(KvPagePool pool, int capacity, string tenant, ReadOnlySpan<int> prompt)
    {
        _pool = pool;
        _capacity = capacity;
        _pages = new KvPage?[KvPagePool.PagesFor(capacity)];
        ReadOnlySpan<int> reusable = prompt.IsEmpty ? prompt : prompt[..^1];
        (_pageCount, _prefix) = pool.TakePrefix(tenant, reusable, _pages);
        Length = Reused = _pageCount * KvPagePool.PagePositions;
    }

    /// <summary>Positions computed so far.</summary>
    public int Length { get; private set; }

    /// <summary>Positions that were there at the beginning.</summary>
    public int Reused { get; }

    /// <summary>Where keys and values lie.</summary>
    public ReadOnlySpan<KvPage> Pages => _pages.AsSpan(0, _pageCount)!;

    /// <summary>Makes room for more positions, not yet counted in <see cref="Length"/>.</summary>
    public void Reserve(int positions)
    {
        if (positions > _capacity - Length)
            throw new InvalidOperationException($"The cache is made for {_capacity} positions.");
        for (int needed = KvPagePool.PagesFor(Length + positions); _pageCount < needed; _pageCount++)
            _pages[_pageCount] = _pool.Rent();
    }

    /// <summary>Counts positions that are complete in every layer. Pages that become full can be reused.</summary>
    /// <param name="tokens">Their tokens.</param>
    public void Commit(ReadOnlySpan<int> tokens)
    {
        foreach (int token in tokens)
        {
            (int number, int place) = Math.DivRem(Length++, KvPagePool.PagePositions);
            KvPage page = _pages[number]!;
            page.Tokens[place] = token;
            if (place == KvPagePool.PagePositions - 1) _prefix = _pool.Publish(_prefix, page);
        }
    }

    public void Dispose()
    {
        _pool.Return(_pages.AsSpan(0, _pageCount));
        Array.Clear(_pages);
        _pageCount = 0;
    }
}
