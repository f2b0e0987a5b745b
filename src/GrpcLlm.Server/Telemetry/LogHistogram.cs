namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Times in buckets that grow by 4 %, from 1 µs to 1 hour, so a percentile is told within 2 % of the time that has its rank.
/// Times beyond either end count as that end. About 2 kB, whatever comes. Thread-safe, without locks.
/// </summary>
internal sealed class LogHistogram
{
    /// <summary>How far a percentile may be from the time that it stands for, as a share of it: √1.04 − 1.</summary>
    public const double RelativeError = 0.0199;

    private const double Growth = 1.04;
    private const double MaxMicroseconds = 3_600_000_000;

    private static readonly double LogGrowth = Math.Log(Growth);

    private readonly int[] _counts = new int[BucketOf(MaxMicroseconds) + 1];

    /// <summary>Counts a time.</summary>
    public void Add(double microseconds) => Interlocked.Increment(ref _counts[BucketOf(microseconds)]);

    /// <summary>Counts all that another one counted.</summary>
    public void Add(LogHistogram other)
    {
        for (var bucket = 0; bucket < _counts.Length; bucket++)
            _counts[bucket] += Volatile.Read(ref other._counts[bucket]);
    }

    /// <summary>How many there are, and their percentiles by nearest rank; null: there are none.</summary>
    public LatencyFigures? Summarize()
    {
        var counts = Array.ConvertAll(_counts, static count => (long)count);
        var total = counts.Sum();
        return total == 0 ? null : new LatencyFigures(total, At(0.5), At(0.9), At(0.99));

        double At(double percentile)
        {
            var rank = (long)Math.Ceiling(percentile * total);
            var bucket = 0;
            for (var seen = counts[0]; seen < rank; seen += counts[bucket]) bucket++;

            // The geometric middle is as far, in proportion, from either end.
            return Math.Pow(Growth, bucket + 0.5) / 1000;
        }
    }

    private static int BucketOf(double microseconds) =>
        (int)(Math.Log(Math.Clamp(microseconds, 1, MaxMicroseconds)) / LogGrowth);
}

/// <summary>Percentiles of times in milliseconds, within <see cref="LogHistogram.RelativeError"/>.</summary>
/// <param name="Count">How many times there are.</param>
/// <param name="P50Ms">The median.</param>
/// <param name="P90Ms">The 90th percentile.</param>
/// <param name="P99Ms">The 99th percentile.</param>
internal sealed record LatencyFigures(long Count, double P50Ms, double P90Ms, double P99Ms);
