namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Keys and values of one stream, position by position, in pages taken as it grows. Used by one thread at a time.
/// </summary>
/// <param name="pool">Where pages come from.</param>
/// <param name="capacity">Most positions.</param>
internal sealed class KvCache(KvPagePool pool, int capacity) : IDisposable
{
    private readonly float[]?[] _pages = new float[]?[KvPagePool.PagesFor(capacity)];
    private readonly int _width = pool.Shape.KeyValueWidth;
    private int _pageCount;

    /// <summary>Positions computed so far.</summary>
    public int Length { get; private set; }

    /// <summary>Makes room for more positions, not yet counted in <see cref="Length"/>.</summary>
    public void Reserve(int positions)
    {
        if (positions > capacity - Length)
            throw new InvalidOperationException($"The cache is made for {capacity} positions.");
        for (int needed = KvPagePool.PagesFor(Length + positions); _pageCount < needed; _pageCount++)
            _pages[_pageCount] = pool.Rent();
    }

    /// <summary>Counts positions that are complete in every layer.</summary>
    public void Commit(int positions) => Length += positions;

    /// <summary>The keys of one position in one layer: [key/value width].</summary>
    public Span<float> Keys(int layer, int position) => Slice(2 * layer, position);

    /// <summary>The values of one position in one layer: [key/value width].</summary>
    public Span<float> Values(int layer, int position) => Slice((2 * layer) + 1, position);

    public void Dispose()
    {
        for (; _pageCount > 0; _pageCount--)
        {
            pool.Return(_pages[_pageCount - 1]!);
            _pages[_pageCount - 1] = null;
        }
    }

    private Span<float> Slice(int plane, int position)
    {
        (int page, int row) = Math.DivRem(position, KvPagePool.PagePositions);
        return _pages[page].AsSpan(((plane * KvPagePool.PagePositions) + row) * _width, _width);
    }
}
