namespace GrpcLlm.Benchmarks;

/// <summary>Percentiles of what was measured.</summary>
internal static class Statistics
{
    /// <summary>The smallest value that at least that share of all values does not exceed (nearest rank).</summary>
    /// <param name="values">At least one.</param>
    /// <param name="share">Above 0, at most 1.</param>
    public static double Percentile(IReadOnlyCollection<double> values, double share)
    {
        var sorted = values.Order().ToList();
        return sorted[(int)Math.Min(sorted.Count - 1, Math.Ceiling(share * sorted.Count) - 1)];
    }

    /// <summary>The middle value.</summary>
    public static double Median(IReadOnlyCollection<double> values) => Percentile(values, 0.5);
}
