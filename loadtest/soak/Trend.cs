namespace GrpcLlm.Soak;

/// <summary>
/// Whether samples of something grow, by the Mann–Kendall test (H. B. Mann 1945; with ties) and Sen's slope (P. K. Sen 1968).
/// Neighbouring samples of a process resemble each other, which makes the test see trends too readily: so something grows
/// only if the slope matters as well.
/// </summary>
internal static class Trend
{
    /// <summary>Most samples that are compared; of more, each n-th is taken.</summary>
    private const int MaxSamples = 400;

    /// <summary>Standard normal deviate of a one-sided test at 0.1 %.</summary>
    private const double CriticalZ = 3.09;

    /// <summary>Looks for a trend.</summary>
    /// <param name="samples">Values, with seconds since any moment; in order.</param>
    /// <param name="tolerance">Growth over all samples that does not matter, in the unit of the values.</param>
    public static TrendResult Of(IReadOnlyList<(double Seconds, double Value)> samples, double tolerance)
    {
        var step = (samples.Count + MaxSamples - 1) / MaxSamples;
        var taken = samples.Where((_, index) => index % Math.Max(1, step) == 0).ToList();
        if (taken.Count < 3) return new TrendResult(0, 0, 0, Grows: false);
        long score = 0;
        var slopes = new List<double>(taken.Count * (taken.Count - 1) / 2);
        for (var later = 1; later < taken.Count; later++)
        {
            for (var earlier = 0; earlier < later; earlier++)
            {
                var rise = taken[later].Value - taken[earlier].Value;
                score += Math.Sign(rise);
                slopes.Add(rise / (taken[later].Seconds - taken[earlier].Seconds));
            }
        }

        slopes.Sort();
        var slope = slopes.Count % 2 == 1 ? slopes[slopes.Count / 2] : (slopes[(slopes.Count / 2) - 1] + slopes[slopes.Count / 2]) / 2;
        var deviation = Math.Sqrt(Variance(taken));
        var z = deviation == 0 ? 0 : (score - Math.Sign(score)) / deviation;
        var growth = slope * (taken[^1].Seconds - taken[0].Seconds);
        return new TrendResult(slope, growth, z, Grows: z > CriticalZ && growth > tolerance);
    }

    private static double Variance(List<(double Seconds, double Value)> taken)
    {
        var ties = taken.CountBy(static one => one.Value).Sum(static tie => Term(tie.Value));
        return (Term(taken.Count) - ties) / 18;

        static double Term(double count) => count * (count - 1) * ((2 * count) + 5);
    }
}

/// <summary>A trend.</summary>
/// <param name="Slope">Growth per second.</param>
/// <param name="Growth">Growth over all samples, by the slope.</param>
/// <param name="Z">Standard normal deviate of the test.</param>
/// <param name="Grows">Whether it grows, beyond chance and beyond what is tolerated.</param>
internal sealed record TrendResult(double Slope, double Growth, double Z, bool Grows);
