namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Memory for keys and values in pages of <see cref="PagePositions"/> positions: what streams hold, what the prefix
/// cache keeps beyond that, and what lies idle, together never more than a number of pages. Streams come first: a page
/// that only the cache holds gives way. Pages are counted, so that a leak shows. Thread-safe.
/// </summary>
internal sealed class KvPagePool
{
    /// <summary>Positions in a page: small enough to waste little, large enough to make rents rare.</summary>
    public const int PagePositions = 32;

    // Kernels read whole lanes, beyond the last head too.
    private const int SlackNumbers = 32;

    private readonly Stack<KvPage> _idle = new();
    private readonly PrefixCache _prefixes = new();
    private readonly Lock _gate = new();
    private readonly KeyValuePrecision _precision;
    private readonly int _pageBytes;
    private readonly int _maxPages;
    private readonly int _maxCached;
    private int _pages;
    private int _cachedOnly;

    /// <param name="shape">Shape of the model.</param>
    /// <param name="precision">Precision of the numbers.</param>
    /// <param name="maxPages">Most pages; streams must be kept from needing more.</param>
    /// <param name="maxCached">Most pages that the prefix cache keeps beyond those of streams; 0 for no cache.</param>
    public KvPagePool(LlamaShape shape, KeyValuePrecision precision, int maxPages, int maxCached)
    {
        _precision = precision;
        _maxPages = maxPages;
        _maxCached = maxCached;
        _pageBytes = PageBytesOf(shape, precision);
    }

    /// <summary>Precision of the numbers.</summary>
    public KeyValuePrecision Precision => _precision;

    /// <summary>Pages that streams hold now; one that several share counts once.</summary>
    public int PagesInUse { get; private set; }

    /// <summary>Pages that only the prefix cache holds now.</summary>
    public int PagesCached
    {
        get
        {
            lock (_gate) return _cachedOnly;
        }
    }

    /// <summary>Pages that hold so many positions.</summary>
    public static int PagesFor(int positions) => (positions + PagePositions - 1) / PagePositions;

    /// <summary>Bytes in a page.</summary>
    /// <exception cref="EmbeddedModelException">They are more than an array holds.</exception>
    public static int PageBytesOf(LlamaShape shape, KeyValuePrecision precision)
    {
        long numbers = (2L * shape.Layers * PagePositions * shape.KeyValueWidth) + SlackNumbers;
        long bytes = numbers * (precision == KeyValuePrecision.F16 ? 2 : 4);
        return bytes <= Array.MaxLength
            ? (int)bytes
            : throw new EmbeddedModelException($"a page of keys and values would have {bytes} bytes, too many to hold");
    }

    /// <summary>Where the numbers of one key/value head begin in a page.</summary>
    public static int OffsetOf(LlamaShape shape, int layer, int head) =>
        ((layer * shape.KeyValueHeads) + head) * 2 * PagePositions * shape.HeadLength;

    /// <summary>Takes a page.</summary>
    public KvPage Rent()
    {
        lock (_gate)
        {
            if (!_idle.TryPop(out KvPage? page))
            {
                if (_pages >= _maxPages && _prefixes.Evict() is { } evicted)
                {
                    _cachedOnly--;
                    page = evicted;
                }
                else
                {
                    page = new KvPage(_pageBytes, _precision);
                    _pages++;
                }
            }

            page.Streams = 1;
            PagesInUse++;
            return page;
        }
    }

    /// <summary>Takes the pages of the longest known prefix, whole pages only.</summary>
    /// <param name="tenant">Whose prefixes are looked for.</param>
    /// <param name="tokens">Tokens whose prefix is looked for; all of them may be found.</param>
    /// <param name="pages">Where the pages go, from the first on.</param>
    /// <returns>How many, and where the prefix ends.</returns>
    public (int Count, PrefixEnd End) TakePrefix(string tenant, ReadOnlySpan<int> tokens, Span<KvPage?> pages)
    {
        if (_maxCached == 0) return (0, PrefixEnd.Unknown);
        int count = 0;
        PrefixEnd end;
        lock (_gate)
        {
            end = _prefixes.Start(tenant);
            for (; tokens.Length >= PagePositions; tokens = tokens[PagePositions..])
            {
                if (_prefixes.Find(end, tokens[..PagePositions]) is not { } page) break;
                if (page.Streams++ == 0)
                {
                    PagesInUse++;
                    _cachedOnly--;
                }

                pages[count++] = page;
                end = new PrefixEnd(page, page.Id);
            }

            for (int i = count - 1; i >= 0; i--) _prefixes.Touch(pages[i]!);
        }

        return (count, end);
    }

    /// <summary>Makes a full page known to the prefix cache.</summary>
    /// <param name="prefix">The prefix before it.</param>
    /// <param name="page">The page, which nobody writes any more.</param>
    /// <returns>The prefix with it.</returns>
    public PrefixEnd Publish(PrefixEnd prefix, KvPage page)
    {
        if (!prefix.IsKnown) return prefix;
        lock (_gate) return _prefixes.Add(prefix, page);
    }

    /// <summary>Gives pages back, a prefix of a stream.</summary>
    public void Return(ReadOnlySpan<KvPage?> pages)
    {
        lock (_gate)
        {
            for (int i = pages.Length - 1; i >= 0; i--) Return(pages[i]!);
        }
    }

    private void Return(KvPage page)
    {
        if (page.Id > 0) _prefixes.Touch(page);
        if (--page.Streams > 0) return;
        PagesInUse--;
        if (page.Id == 0)
        {
            _idle.Push(page);
            return;
        }

        if (++_cachedOnly <= _maxCached) return;
        _cachedOnly--;
        _idle.Push(_prefixes.Evict()!);
    }
}
