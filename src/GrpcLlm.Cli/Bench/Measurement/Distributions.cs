using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>Histograms of nanoseconds as a result file holds them: in milliseconds. Stateless.</summary>
internal static class Distributions
{
    private const double NanosecondsPerMillisecond = 1e6;

    /// <summary>Most buckets that a file gets; more are merged into wider ones, which a plot cannot tell apart.</summary>
    private const int MostBuckets = 512;

    /// <summary>The distribution of a histogram; null if it holds nothing.</summary>
    public static Distribution? Of(Histogram histogram) => histogram.Count == 0 ? null : new Distribution
    {
        Count = histogram.Count,
        Mean = histogram.Mean / NanosecondsPerMillisecond,
        StandardDeviation = histogram.StandardDeviation / NanosecondsPerMillisecond,
        Min = Milliseconds(histogram.Min),
        Max = Milliseconds(histogram.Max),
        P50 = Milliseconds(histogram.Percentile(50)),
        P90 = Milliseconds(histogram.Percentile(90)),
        P95 = Milliseconds(histogram.Percentile(95)),
        P99 = Milliseconds(histogram.Percentile(99)),
        P999 = Milliseconds(histogram.Percentile(99.9m)),
        Buckets = BucketsOf(histogram),
    };

    /// <summary>Percentiles of a step of the timeline; null if the histogram is missing or holds nothing.</summary>
    public static Percentiles? PercentilesOf(Histogram? histogram) => histogram is not { Count: > 0 } ? null : new Percentiles
    {
        P50 = Milliseconds(histogram.Percentile(50)),
        P90 = Milliseconds(histogram.Percentile(90)),
        P99 = Milliseconds(histogram.Percentile(99)),
    };

    /// <summary>Nanoseconds in milliseconds.</summary>
    public static double Milliseconds(long nanoseconds) => nanoseconds / NanosecondsPerMillisecond;

    private static List<Bucket> BucketsOf(Histogram histogram)
    {
        for (var bits = Histogram.DefaultPrecisionBits; ; bits--)
        {
            var buckets = histogram.Buckets(bits).Take(MostBuckets + 1).ToList();
            if (buckets.Count <= MostBuckets || bits == 1)
                return [.. buckets.Select(static bucket => new Bucket(Milliseconds(bucket.Le), bucket.Count))];
        }
    }
}
