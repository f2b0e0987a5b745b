using GrpcLlm.Soak;

namespace GrpcLlm.FunctionalTests.Soak;

/// <summary>The test of the soak's samples (<c>loadtest/soak</c>), on series whose trend is known.</summary>
public sealed class TrendTests
{
    private const double Tolerance = 10;

    [Fact]
    public void Of_NoiseAroundALevel_DoesNotGrow()
    {
        for (var seed = 1; seed <= 50; seed++) Trend.Of(Series(seed, perSecond: 0, noise: 30), Tolerance).Grows.ShouldBeFalse($"seed {seed}");
    }

    [Fact]
    public void Of_GrowthBelowTheNoise_Grows()
    {
        for (var seed = 1; seed <= 50; seed++)
        {
            var trend = Trend.Of(Series(seed, perSecond: 0.5, noise: 30), Tolerance);

            trend.Grows.ShouldBeTrue($"seed {seed}");
            trend.Slope.ShouldBeInRange(0.3, 0.7);
        }
    }

    [Fact]
    public void Of_GrowthThatDoesNotMatter_DoesNotGrow() => Trend.Of(Series(1, perSecond: 0.05, noise: 0.1), Tolerance).Grows.ShouldBeFalse();

    [Fact]
    public void Of_OneStep_ThatComesEarly_DoesNotGrow() => Trend
        .Of([.. Enumerable.Range(0, 100).Select(static n => ((double)n, n < 5 ? 0d : 100d))], Tolerance).Grows.ShouldBeFalse();

    [Fact]
    public void Of_CountsThatTie_AreNoTrend()
    {
        var flat = Trend.Of([.. Enumerable.Range(0, 100).Select(static n => ((double)n, 7d))], 0);
        (flat.Z, flat.Growth, flat.Grows).ShouldBe((0, 0, false));

        Trend.Of([.. Enumerable.Range(0, 100).Select(static n => ((double)n, (double)(n / 10)))], 0).Grows.ShouldBeTrue();
    }

    [Fact]
    public void Of_Shrinking_DoesNotGrow() => Trend.Of(Series(1, perSecond: -0.5, noise: 1), 0).Grows.ShouldBeFalse();

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Of_TooFewSamples_SaysNothing(int count) => Trend.Of([.. Series(1, 5, 0).Take(count)], 0).Grows.ShouldBeFalse();

    [Fact]
    public void Of_ManySamples_AreThinnedAndKeepTheirSlope() =>
        Trend.Of([.. Enumerable.Range(0, 20_000).Select(static n => ((double)n, 2d * n))], 0).Slope.ShouldBe(2, 1e-9);

    private static List<(double Seconds, double Value)> Series(int seed, double perSecond, double noise)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, 200).Select(n => ((double)n, 500 + (perSecond * n) + (noise * (random.NextDouble() - 0.5))))];
    }
}
