using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Client.Tests.Cli.Bench.Measurement;

public sealed class HistogramTests
{
    private static readonly decimal[] Percents = [0.001m, 1, 25, 50, 90, 95, 99, 99.9m, 99.99m, 100];

    [Fact]
    public void Percentile_OfAnyValues_IsThatOfSortingOrTooLargeByLessThanTheBound() => Properties.HoldsForSeeds(random =>
    {
        var bits = random.Next(1, 13);
        var values = Values(random);
        var histogram = Of(values, bits);
        Array.Sort(values);
        foreach (var percent in Percents)
        {
            var exact = values[(int)Math.Ceiling(percent * values.Length / 100) - 1];
            var told = histogram.Percentile(percent);
            told.ShouldBeGreaterThanOrEqualTo(exact);
            ((decimal)told - exact).ShouldBeLessThanOrEqualTo(exact / (decimal)(1 << bits));
        }
    });

    [Fact]
    public void Moments_OfAnyValues_AreExact() => Properties.HoldsForSeeds(random =>
    {
        var values = Values(random);
        var histogram = Of(values);
        var mean = values.Select(value => (decimal)value).Average();

        histogram.Count.ShouldBe(values.Length);
        histogram.Min.ShouldBe(values.Min());
        histogram.Max.ShouldBe(values.Max());
        histogram.Mean.ShouldBe((double)mean, (double)mean * 1e-12);
    });

    [Fact]
    public void StandardDeviation_SmallBesideTheMean_IsNotLost()
    {
        // 200 ms in nanoseconds, a nanosecond apart: squares in floating point would give 0 or nonsense.
        var histogram = Of([200_000_000, 200_000_001, 200_000_002, 200_000_003]);

        histogram.StandardDeviation.ShouldBe(Math.Sqrt(1.25), 1e-12);
    }

    [Fact]
    public void Merge_OfParts_IsTheWhole() => Properties.HoldsForSeeds(random =>
    {
        var values = Values(random);
        var cut = random.Next(values.Length + 1);
        var whole = Of(values);
        var merged = Of(values[..cut]);

        merged.Merge(Of(values[cut..]));

        merged.Buckets().ShouldBe(whole.Buckets());
        (merged.Count, merged.Min, merged.Max, merged.Mean, merged.StandardDeviation)
            .ShouldBe((whole.Count, whole.Min, whole.Max, whole.Mean, whole.StandardDeviation));
    });

    [Fact]
    public void Merge_OfOtherPrecision_IsRefused() =>
        Should.Throw<ArgumentException>(() => new Histogram(7).Merge(new Histogram(8)));

    [Fact]
    public void Buckets_AtAnyPrecision_HoldEveryValueOnceAndEndAboveIt() => Properties.HoldsForSeeds(random =>
    {
        var values = Values(random);
        var bits = random.Next(1, Histogram.DefaultPrecisionBits + 1);
        var buckets = Of(values).Buckets(bits).ToList();

        buckets.Select(bucket => bucket.Le).ShouldBe(buckets.Select(bucket => bucket.Le).Distinct().Order());
        long seen = 0;
        foreach (var (le, count) in buckets)
        {
            seen += count;
            values.Count(value => value <= le).ShouldBe((int)seen);
        }

        seen.ShouldBe(values.Length);
    });

    [Fact]
    public void Percentile_999OfAThousand_IsTheLastButOne()
    {
        var histogram = Of([.. Enumerable.Range(1, 1000).Select(value => (long)value)]);

        histogram.Percentile(99.9m).ShouldBe(999);
        histogram.Percentile(50).ShouldBe(500);
        histogram.Percentile(100).ShouldBe(1000);
    }

    [Fact]
    public void Record_SlowOnePercent_ShowsInP99AndNotInP50()
    {
        var histogram = new Histogram();
        histogram.Record(20_000_000, 985);
        histogram.Record(2_000_000_000, 15);

        histogram.Percentile(50).ShouldBeInRange(20_000_000, 20_020_000);
        histogram.Percentile(95).ShouldBeInRange(20_000_000, 20_020_000);
        histogram.Percentile(99).ShouldBe(2_000_000_000);
    }

    [Fact]
    public void Record_Extremes_AreKept()
    {
        var histogram = Of([0, 1, long.MaxValue]);

        histogram.Percentile(1).ShouldBe(0);
        histogram.Percentile(100).ShouldBe(long.MaxValue);
        Should.Throw<ArgumentOutOfRangeException>(() => histogram.Record(-1));
        new Histogram().Percentile(50).ShouldBe(0);
    }

    [Fact]
    public void Record_IntoKnownMagnitudes_AllocatesNothing()
    {
        var histogram = new Histogram();
        histogram.Record(20_000_000);
        var before = GC.GetAllocatedBytesForCurrentThread();

        for (var value = 20_000_000; value < 20_005_000; value++) histogram.Record(value);

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }

    private static Histogram Of(long[] values, int bits = Histogram.DefaultPrecisionBits)
    {
        var histogram = new Histogram(bits);
        foreach (var value in values) histogram.Record(value);
        return histogram;
    }

    /// <summary>Values of every magnitude, some of them equal.</summary>
    private static long[] Values(Random random) =>
    [
        .. Enumerable.Range(0, random.Next(1, 400)).Select(_ => random.NextInt64(1L << random.Next(1, 44))),
    ];
}
