using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>Which pages are reused, which give way, and for whom. No model runs: only tokens are committed.</summary>
public sealed class KvPagePoolTests
{
    private static readonly LlamaShape Shape = TestModels.Model(TestModels.Default).Network.Shape;

    [Fact]
    public void Open_PromptWithKnownPrefix_TakesWholePagesButNeverTheLastToken()
    {
        var pool = new KvPagePool(Shape, KeyValuePrecision.F16, 100, 100);
        Run(pool, 100); // three full pages, and four positions that nobody can reuse
        Reused(pool, 200).ShouldBe(96);
        Reused(pool, 97).ShouldBe(96);
        Reused(pool, 96).ShouldBe(64);
        Reused(pool, 32).ShouldBe(0);
        Reused(pool, 100, shift: 1).ShouldBe(0);
        Reused(pool, 100, tenant: "other").ShouldBe(0);
        pool.PagesCached.ShouldBe(3);
    }

    [Fact]
    public void Open_StreamThatRuns_SharesItsFullPages()
    {
        var pool = new KvPagePool(Shape, KeyValuePrecision.F16, 100, 100);
        using KvCache running = Open(pool, 70);
        using KvCache second = Open(pool, 100, commit: 0);
        second.Reused.ShouldBe(64);
        second.Pages[..2].ToArray().ShouldBe(running.Pages[..2].ToArray());
        pool.PagesInUse.ShouldBe(3);
        pool.PagesCached.ShouldBe(0);
    }

    [Fact]
    public void Publish_SamePrefixTwice_KeepsTheFirst()
    {
        var pool = new KvPagePool(Shape, KeyValuePrecision.F16, 100, 100);
        using (KvCache first = Open(pool, 64))
        {
            // Begins before the first is known: a page of its own for the first 32, then a new one.
            using var second = new KvCache(pool, 200, "", []);
            second.Reused.ShouldBe(0);
        }

        Reused(pool, 200).ShouldBe(64);
        pool.PagesCached.ShouldBe(2);
    }

    [Fact]
    public void Rent_MemoryIsFull_TakesThePageThatWasNotUsedForTheLongestTime()
    {
        var pool = new KvPagePool(Shape, KeyValuePrecision.F16, 6, 6);
        Run(pool, 96, shift: 1);
        Run(pool, 96, shift: 2);
        Reused(pool, 97, shift: 1).ShouldBe(96); // used again

        using KvCache stream = Open(pool, 40, shift: 3);

        pool.PagesInUse.ShouldBe(2);
        pool.PagesCached.ShouldBe(4);
        Reused(pool, 97, shift: 2).ShouldBe(32); // its end went first
    }

    [Fact]
    public void Rent_MemoryIsFullOfPrefixes_EveryPageCanBeHad()
    {
        var pool = new KvPagePool(Shape, KeyValuePrecision.F16, 6, 6);
        Run(pool, 192, shift: 1);
        pool.PagesCached.ShouldBe(6);
        Run(pool, 192, shift: 2);
        pool.PagesCached.ShouldBe(6);
        Reused(pool, 193, shift: 1).ShouldBe(0);
        Reused(pool, 192, shift: 2).ShouldBe(160);
    }

    [Fact]
    public void Return_MoreThanTheCacheMayKeep_DropsTheOldest()
    {
        var pool = new KvPagePool(Shape, KeyValuePrecision.F16, 100, 2);
        Run(pool, 160);
        pool.PagesCached.ShouldBe(2);
        Reused(pool, 200).ShouldBe(64);
    }

    [Fact]
    public void Open_CacheIsOff_ReusesNothing()
    {
        var pool = new KvPagePool(Shape, KeyValuePrecision.F16, 100, 0);
        Run(pool, 100);
        Reused(pool, 100).ShouldBe(0);
        pool.PagesCached.ShouldBe(0);
    }

    [Fact]
    public void Run_RandomStreams_PagesAreNeverLostAndNeverWrong()
    {
        var random = new Random(4);
        var pool = new KvPagePool(Shape, KeyValuePrecision.F16, 40, 20);
        var open = new List<KvCache>();
        for (int i = 0; i < 2000; i++)
        {
            if (open.Count == 4 || (open.Count > 0 && random.Next(2) == 0))
            {
                int which = random.Next(open.Count);
                open[which].Dispose();
                open.RemoveAt(which);
                continue;
            }

            int shift = random.Next(5);
            KvCache cache = Open(pool, 1 + random.Next(300), shift);
            for (int page = 0; page < cache.Length / KvPagePool.PagePositions; page++)
                cache.Pages[page].Tokens[5].ShouldBe(TokenAt((page * KvPagePool.PagePositions) + 5, shift));
            open.Add(cache);
            (pool.PagesInUse + pool.PagesCached).ShouldBeLessThanOrEqualTo(40);
            pool.PagesCached.ShouldBeLessThanOrEqualTo(20);
        }

        foreach (KvCache cache in open) cache.Dispose();
        pool.PagesInUse.ShouldBe(0);
    }

    private static int TokenAt(int position, int shift) => (position * 7) + shift;

    private static int[] Tokens(int count, int shift) => [.. Enumerable.Range(0, count).Select(i => TokenAt(i, shift))];

    private static KvCache Open(KvPagePool pool, int tokens, int shift = 0, string tenant = "", int? commit = null)
    {
        int[] prompt = Tokens(tokens, shift);
        var cache = new KvCache(pool, tokens, tenant, prompt);
        int[] rest = prompt[cache.Length..(commit is { } count ? cache.Length + count : tokens)];
        cache.Reserve(rest.Length);
        cache.Commit(rest);
        return cache;
    }

    private static void Run(KvPagePool pool, int tokens, int shift = 0) => Open(pool, tokens, shift).Dispose();

    private static int Reused(KvPagePool pool, int tokens, int shift = 0, string tenant = "")
    {
        using KvCache cache = Open(pool, tokens, shift, tenant, commit: 0);
        return cache.Reused;
    }
}
