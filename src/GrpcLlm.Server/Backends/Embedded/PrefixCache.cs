namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>What a full page is found by.</summary>
/// <param name="Parent">Id of the page before it, or of the tenant.</param>
/// <param name="Hash">Hash of its tokens.</param>
internal readonly record struct PrefixKey(long Parent, ulong Hash);

/// <summary>The end of a prefix that the cache knows.</summary>
/// <param name="Page">Its last page; null for the empty prefix.</param>
/// <param name="Id">Id that the page had, or of the tenant for the empty prefix; 0 for a prefix that is not known.</param>
internal readonly record struct PrefixEnd(KvPage? Page, long Id)
{
    /// <summary>Not known: what follows it is not either.</summary>
    public static PrefixEnd Unknown => default;

    /// <summary>Whether the prefix is known.</summary>
    public bool IsKnown => Id > 0;
}

/// <summary>
/// Full pages by tenant, the tokens they stand for and all tokens before them, in order of use. It decides nothing about memory;
/// <see cref="KvPagePool"/> does, under whose lock it is used.
/// </summary>
internal sealed class PrefixCache
{
    private readonly Dictionary<PrefixKey, KvPage> _pages = [];
    private readonly LinkedList<KvPage> _order = new(); // most recently used first; a page stands before what follows it
    private readonly Dictionary<string, long> _tenants = new(StringComparer.Ordinal);
    private long _lastId;

    /// <summary>
    /// The empty prefix of a tenant. Tenants share nothing, so that none learns from the time to its first token what
    /// another has asked.
    /// </summary>
    public PrefixEnd Start(string tenant)
    {
        if (!_tenants.TryGetValue(tenant, out long id)) _tenants.Add(tenant, id = ++_lastId);
        return new PrefixEnd(null, id);
    }

    /// <summary>The page that continues a prefix with these tokens; null for none.</summary>
    /// <param name="prefix">What comes before.</param>
    /// <param name="tokens">A page of tokens.</param>
    public KvPage? Find(PrefixEnd prefix, ReadOnlySpan<int> tokens) =>
        _pages.TryGetValue(new PrefixKey(prefix.Id, HashOf(tokens)), out KvPage? page)
        && tokens.SequenceEqual(page.Tokens) ? page : null;

    /// <summary>Makes a full page known, unless there is one for the same prefix already.</summary>
    /// <param name="prefix">What comes before it.</param>
    /// <param name="page">The page with its <see cref="KvPage.Tokens"/>; not known so far.</param>
    /// <returns>The prefix with the page.</returns>
    public PrefixEnd Add(PrefixEnd prefix, KvPage page)
    {
        if (!prefix.IsKnown || (prefix.Page is { } last && last.Id != prefix.Id)) return PrefixEnd.Unknown;
        var key = new PrefixKey(prefix.Id, HashOf(page.Tokens));
        if (_pages.TryGetValue(key, out KvPage? there))
        {
            return there.Tokens.AsSpan().SequenceEqual(page.Tokens)
                ? new PrefixEnd(there, there.Id)
                : PrefixEnd.Unknown; // two pages with one hash: the first stays
        }

        page.Key = key;
        page.Id = ++_lastId;
        _pages.Add(key, page);
        if (prefix.Page is null) _order.AddFirst(page.Place);
        else _order.AddAfter(prefix.Page.Place, page.Place);
        return new PrefixEnd(page, page.Id);
    }

    /// <summary>Notes that a page was used. Later pages of a prefix first, so that earlier ones outlive them.</summary>
    public void Touch(KvPage page)
    {
        _order.Remove(page.Place);
        _order.AddFirst(page.Place);
    }

    /// <summary>Forgets the page that no stream holds and that was not used for the longest time.</summary>
    /// <returns>The page; null if there is none.</returns>
    public KvPage? Evict()
    {
        for (LinkedListNode<KvPage>? place = _order.Last; place is not null; place = place.Previous)
        {
            KvPage page = place.Value;
            if (page.Streams > 0) continue;
            _order.Remove(place);
            _pages.Remove(page.Key);
            page.Id = 0; // what follows it is not found any more, and ages
            return page;
        }

        return null;
    }

    // Whoever finds a collision only loses a chance to reuse: tokens are compared.
    private static ulong HashOf(ReadOnlySpan<int> tokens)
    {
        ulong hash = 0;
        foreach (int token in tokens) hash = (hash ^ (uint)token) * 0x9E3779B97F4A7C15;
        return hash ^ (hash >> 32);
    }
}
