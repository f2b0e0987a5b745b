using GrpcLlm.Cli.Bench.Load;
using GrpcLlm.Cli.Bench.Profiles;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Client.Tests.Cli.Bench.Load;

public sealed class LoadCurveTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    public void Steps_UpToAnEnd_StayThere()
    {
        var curve = LoadCurve.Of(new GhzSchedule(IsLine: false, 10, 5, 2 * Second, End: 20, MaxDuration: null));

        Values(curve, 0, 1.9, 2, 3.9, 4, 60).ShouldBe([10, 10, 15, 15, 20, 20]);
        curve.Last.ShouldBe(20);
        curve.NextChangeAfter(0).ShouldBe(2);
        curve.NextChangeAfter(2).ShouldBe(4);
        curve.NextChangeAfter(4).ShouldBe(double.PositiveInfinity);
        curve.ToString().ShouldBe("steps from 10 by 5 every 2s to 20");
    }

    [Fact]
    public void Steps_DownWithoutEnd_GoToNothing()
    {
        var curve = LoadCurve.Of(new GhzSchedule(IsLine: false, 5, -2, Second, End: null, MaxDuration: null));

        Values(curve, 0, 1, 2, 3, 99).ShouldBe([5, 3, 1, 0, 0]);
        curve.Last.ShouldBe(0);
    }

    [Fact]
    public void Line_UntilItsTime_StaysWhereItCameTo()
    {
        var curve = LoadCurve.Of(new GhzSchedule(IsLine: true, 10, 4, Second, End: null, MaxDuration: 5 * Second));

        Values(curve, 0, 2.5, 5, 50).ShouldBe([10, 20, 30, 30]);
        curve.Segments().ShouldBe([new(0, 5, 10, 4), new(5, double.PositiveInfinity, 30, 0)]);
        curve.NextChangeAfter(1).ShouldBe(1.25);
    }

    [Fact]
    public void Arrivals_Constant_AreEvenFromTheStart()
    {
        using var plan = new ArrivalPlan(LoadCurve.Constant(100), isPoisson: false, seed: 0);

        Next(plan, 5).ShouldBe([0, 10_000_000, 20_000_000, 30_000_000, 40_000_000]);
    }

    [Fact]
    public void Arrivals_InSteps_FollowTheRateOfEach()
    {
        using var plan = new ArrivalPlan(LoadCurve.Of(new GhzSchedule(IsLine: false, 10, 10, Second, End: 30, MaxDuration: null)), isPoisson: false, seed: 0);
        var arrivals = Next(plan, 90);

        PerSecond(arrivals)[..3].ShouldBe([10, 20, 30]);
        arrivals[11].ShouldBe(1_050_000_000);
    }

    [Fact]
    public void Arrivals_OnALine_FollowItsIntegral()
    {
        // 10 a second and 10 more every second: 10·t + 5·t² have come after t seconds.
        using var plan = new ArrivalPlan(LoadCurve.Of(new GhzSchedule(IsLine: true, 10, 10, Second, End: 50, MaxDuration: null)), isPoisson: false, seed: 0);

        PerSecond(Next(plan, 250))[..6].ShouldBe([15, 25, 35, 45, 50, 50]);
    }

    [Fact]
    public void Arrivals_WhenTheRateIsOver_End()
    {
        using var plan = new ArrivalPlan(LoadCurve.Of(new GhzSchedule(IsLine: false, 4, -2, Second, End: null, MaxDuration: null)), isPoisson: false, seed: 0);
        var count = 0;
        while (plan.Next() is not null) count++;

        // 4 in the first second, 2 in the second, and the one that is due just as it ends.
        count.ShouldBeInRange(6, 7);
        plan.Next().ShouldBeNull();
    }

    [Fact]
    public void Arrivals_Poisson_HaveTheRateAndTheSpreadOfOne() => Properties.HoldsForSeeds(
        random =>
        {
            using var plan = new ArrivalPlan(LoadCurve.Constant(1000), isPoisson: true, random.NextInt64());
            var arrivals = Next(plan, 20_000);
            var gaps = arrivals.Zip(arrivals.Skip(1), (one, next) => (next - one) / 1e6).ToList();

            // Mean 1 ms within 6 standard errors; of exponential gaps the deviation is as large as the mean.
            gaps.Average().ShouldBe(1, 6 / Math.Sqrt(gaps.Count));
            Math.Sqrt(gaps.Average(gap => (gap - 1) * (gap - 1))).ShouldBe(1, 0.1);
            gaps.ShouldAllBe(gap => gap >= 0);
        },
        count: 20);

    [Fact]
    public void Arrivals_OfTheSameSeed_AreTheSame()
    {
        using var one = new ArrivalPlan(LoadCurve.Constant(5), isPoisson: true, seed: 42);
        using var same = new ArrivalPlan(LoadCurve.Constant(5), isPoisson: true, seed: 42);
        using var other = new ArrivalPlan(LoadCurve.Constant(5), isPoisson: true, seed: 43);

        var arrivals = Next(one, 100);
        Next(same, 100).ShouldBe(arrivals);
        Next(other, 100).ShouldNotBe(arrivals);
    }

    private static List<double> Values(LoadCurve curve, params double[] seconds) => [.. seconds.Select(curve.ValueAt)];

    private static List<long> Next(ArrivalPlan plan, int count) => [.. Enumerable.Range(0, count).Select(_ => plan.Next()!.Value)];

    private static List<int> PerSecond(List<long> arrivals) =>
        [.. arrivals.GroupBy(at => at / 1_000_000_000).OrderBy(group => group.Key).Select(group => group.Count())];
}
