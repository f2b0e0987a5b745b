namespace GrpcLlm.Cli.Bench.Ghz;

/// <summary>Times in order, with exact percentiles: at least that share of them is not greater (nearest rank).</summary>
internal sealed class Latencies
{
    private readonly TimeSpan[] _ascending;

    private Latencies(TimeSpan[] ascending)
    {
        _ascending = ascending;
        Mean = ascending.Average(time => time.TotalMilliseconds);
    }

    /// <summary>How many.</summary>
    public int Count => _ascending.Length;

    /// <summary>Mean in milliseconds.</summary>
    public double Mean { get; }

    /// <summary>Orders times. Null: there are none.</summary>
    public static Latencies? Of(IEnumerable<TimeSpan> times)
    {
        var ascending = times.Order().ToArray();
        return ascending.Length > 0 ? new Latencies(ascending) : null;
    }

    /// <summary>A percentile in milliseconds.</summary>
    /// <param name="percentage">Above 0 to 100.</param>
    public double Percentile(double percentage) =>
        _ascending[Math.Clamp((int)Math.Ceiling(percentage / 100 * Count) - 1, 0, Count - 1)].TotalMilliseconds;
}
