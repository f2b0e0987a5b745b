using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Comparing;

/// <summary>The values of several runs as one distribution.</summary>
internal static class PooledDistribution
{
    /// <summary>Adds up a metric of runs, to within the width of their buckets; null: no run has it.</summary>
    public static Distribution? Of(IEnumerable<BenchRun> runs, string metric)
    {
        var parts = runs.Select(run => run.Metrics.GetValueOrDefault(metric)).OfType<Distribution>().ToList();
        if (parts.Count == 0) return null;
        var count = parts.Sum(part => part.Count);
        var mean = parts.Sum(part => part.Mean * part.Count) / count;
        var squares = parts.Sum(part => (Math.Pow(part.StandardDeviation, 2) + Math.Pow(part.Mean - mean, 2)) * part.Count);
        var max = parts.Max(part => part.Max);
        Bucket[] buckets =
        [
            .. parts.SelectMany(part => part.Buckets).GroupBy(bucket => bucket.Le, bucket => bucket.Count)
                .OrderBy(group => group.Key).Select(group => new Bucket(group.Key, group.Sum())),
        ];
        double Percentile(double share)
        {
            var rank = Math.Max(1, (long)Math.Ceiling(share * count));
            foreach (var (le, held) in buckets)
            {
                rank -= held;
                if (rank <= 0) return Math.Min(le, max);
            }

            return max;
        }

        return new Distribution
        {
            Count = count,
            Mean = mean,
            StandardDeviation = Math.Sqrt(squares / count),
            Min = parts.Min(part => part.Min),
            Max = max,
            P50 = Percentile(0.5),
            P90 = Percentile(0.9),
            P95 = Percentile(0.95),
            P99 = Percentile(0.99),
            P999 = Percentile(0.999),
            Buckets = buckets,
        };
    }
}
