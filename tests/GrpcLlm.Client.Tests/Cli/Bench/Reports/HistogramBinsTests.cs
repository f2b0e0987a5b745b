using GrpcLlm.Cli.Bench.Reports;
using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Client.Tests.Cli.Bench.Reports;

public sealed class HistogramBinsTests
{
    [Fact]
    public void Bins_UpToTheLargestValue_HoldEveryValue() => Properties.HoldsForSeeds(random =>
    {
        var values = Enumerable.Range(0, random.Next(1, 400)).Select(_ => Math.Exp(random.NextDouble() * random.Next(1, 8))).ToList();
        var distribution = SyntheticBench.Distribution(values);

        var bins = new HistogramBins(distribution, distribution.Max).Filled;

        bins.Sum(bin => bin.Count).ShouldBe(values.Count);
        bins.ShouldAllBe(bin => bin.Count > 0 && bin.From < bin.To);
    });

    [Fact]
    public void Bins_OfAShorterAxis_LeaveOutWhatIsBeyond()
    {
        var distribution = SyntheticBench.Distribution([.. Enumerable.Repeat(10.0, 98), 900, 950]);

        new HistogramBins(distribution, end: 100).Filled.Sum(bin => bin.Count).ShouldBe(98);
    }

    [Fact]
    public void Buckets_AcrossABorder_AreShared()
    {
        // A bin is 100 / 40 wide.
        var border = 100.0 / 40 * 20;
        var distribution = SyntheticBench.Distribution([border - 1, 100]) with
        {
            Count = 201,
            Min = border - 1,
            Max = 100,
            Buckets = [new Bucket(border - 1, 1), new Bucket(border + 1, 200)],
        };

        var bins = new HistogramBins(distribution with { Count = 100 }, end: 100).Filled;

        bins.Select(bin => bin.Count).ShouldBe([101, 100]);
    }
}
