using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Tests.Telemetry;

public sealed class LogHistogramTests
{
    [Fact]
    public void Empty_HasNoFigures() => new LogHistogram().Summarize().ShouldBeNull();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(10)]
    [InlineData(101)]
    [InlineData(20_000)]
    public void Percentiles_AreWithinTheStatedErrorOfExactSorting(int count)
    {
        // From microseconds to minutes, most of them small, as latencies are.
        var random = new Random(count);
        var times = Enumerable.Range(0, count).Select(_ => Math.Exp(random.NextDouble() * random.NextDouble() * 19)).ToList();
        var histogram = new LogHistogram();
        foreach (var time in times) histogram.Add(time);
        times.Sort();

        var figures = histogram.Summarize().ShouldNotBeNull();

        figures.Count.ShouldBe(count);
        ShouldBeNear(figures.P50Ms, 0.5);
        ShouldBeNear(figures.P90Ms, 0.9);
        ShouldBeNear(figures.P99Ms, 0.99);

        void ShouldBeNear(double told, double percentile)
        {
            var exact = times[(int)Math.Ceiling(percentile * count) - 1] / 1000;
            told.ShouldBe(exact, exact * LogHistogram.RelativeError);
        }
    }

    [Theory]
    [InlineData(0, 0.001)]
    [InlineData(-5, 0.001)]
    [InlineData(7.2e9, 3_600_000)]
    public void TimeBeyondAnEnd_CountsAsThatEnd(double microseconds, double milliseconds)
    {
        var histogram = new LogHistogram();
        histogram.Add(microseconds);

        histogram.Summarize()!.P50Ms.ShouldBe(milliseconds, milliseconds * 0.04);
    }

    [Fact]
    public void Sum_HoldsWhatBothCounted()
    {
        var (one, other) = (new LogHistogram(), new LogHistogram());
        one.Add(1000);
        other.Add(1000);
        other.Add(1000);

        one.Add(other);

        one.Summarize()!.Count.ShouldBe(3);
        other.Summarize()!.Count.ShouldBe(2);
    }

    [Fact]
    public void ConcurrentTimes_AreAllCounted()
    {
        var histogram = new LogHistogram();

        Parallel.For(0, 10_000, index => histogram.Add(index));

        histogram.Summarize()!.Count.ShouldBe(10_000);
    }
}
