using GrpcLlm.Pages;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Client.Tests.Pages;

public sealed class SamplingTests
{
    [Fact]
    public void Line_Of100000Points_KeepsEveryColumnsExtremes() => Properties.HoldsForSeeds(
        random =>
        {
            var points = Enumerable.Range(0, 100_000).Select(i => new PlotPoint(i, random.NextDouble())).ToList();
            points[random.Next(points.Count)] = new PlotPoint(random.Next(points.Count), 1);
            var spike = random.Next(points.Count);
            points[spike] = new PlotPoint(spike, 50);

            var kept = Sampling.Line(points);

            kept.Count.ShouldBeLessThanOrEqualTo(4 * Sampling.Columns);
            kept.ShouldContain(points[spike]);
            kept[0].ShouldBe(points[0]);
            kept[^1].ShouldBe(points[^1]);
            kept.Min(point => point.Y).ShouldBe(points.Min(point => point.Y));
        },
        count: 5);

    [Fact]
    public void Line_WithGaps_KeepsThem()
    {
        var points = Enumerable.Range(0, 5_000).Select(i => new PlotPoint(i, i is > 2_000 and < 3_000 ? double.NaN : 1)).ToList();

        Sampling.Line(points, columns: 100).Count(point => double.IsNaN(point.Y)).ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Band_KeepsTheLowestAndTheHighest()
    {
        var points = Enumerable.Range(0, 5_000).Select(i => new BandPoint(i, i == 17 ? -9 : 0, i == 4_321 ? 9 : 1)).ToList();

        var kept = Sampling.Band(points, columns: 100);

        kept.Count.ShouldBe(100);
        kept.Min(point => point.Low).ShouldBe(-9);
        kept.Max(point => point.High).ShouldBe(9);
    }

    [Fact]
    public void Largest_PicksOneOfEachColumn() =>
        Sampling.Largest([.. Enumerable.Range(0, 1_000)], item => item, item => item % 10 == 3 ? 1 : 0, columns: 100)
            .ShouldAllBe(item => item % 10 == 3);

    [Fact]
    public void Even_HoldsTheFirstAndTheLast()
    {
        var kept = Sampling.Even([.. Enumerable.Range(0, 1_001)], 5);

        kept.ShouldBe([0, 250, 500, 750, 1_000]);
        Sampling.Even([1, 2], 5).ShouldBe([1, 2]);
    }
}
