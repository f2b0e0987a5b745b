namespace GrpcLlm.Cli.Bench.Comparing;

/// <summary>
/// The percentile bootstrap over runs: how far an effect of two medians could be off by the choice of runs alone. Runs of
/// each side are drawn with replacement, as many as there are; the middle 95 % of the effects of <see cref="Resamples"/>
/// such draws is the interval. The draws are seeded, so the same files give the same interval.
/// </summary>
internal static class Bootstrap
{
    /// <summary>Number of draws.</summary>
    public const int Resamples = 10_000;

    private const double Tail = 0.025;
    private const int Seed = 20_240_229;

    /// <summary>The 95 % interval of <paramref name="effect"/> of the medians of base and candidate, neither empty.</summary>
    public static Interval Of(IReadOnlyList<double> baseline, IReadOnlyList<double> candidate, Func<double, double, double> effect)
    {
        var random = new Random(Seed);
        var effects = new double[Resamples];
        var (left, right) = (new double[baseline.Count], new double[candidate.Count]);
        for (var i = 0; i < Resamples; i++)
        {
            Draw(random, baseline, left);
            Draw(random, candidate, right);
            effects[i] = effect(MedianOfSorted(left), MedianOfSorted(right));
        }

        Array.Sort(effects);
        return new Interval(effects[(int)(Tail * Resamples)], effects[Resamples - 1 - (int)(Tail * Resamples)]);
    }

    /// <summary>The median; of an even number of values the mean of the two in the middle.</summary>
    public static double Median(IEnumerable<double> values) => MedianOfSorted([.. values.Order()]);

    private static void Draw(Random random, IReadOnlyList<double> values, double[] drawn)
    {
        for (var i = 0; i < drawn.Length; i++) drawn[i] = values[random.Next(values.Count)];
        Array.Sort(drawn);
    }

    private static double MedianOfSorted(ReadOnlySpan<double> sorted) =>
        sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
}

/// <summary>An interval, its ends included.</summary>
internal readonly record struct Interval(double Low, double High);
