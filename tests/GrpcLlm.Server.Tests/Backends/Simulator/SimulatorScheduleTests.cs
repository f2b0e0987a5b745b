using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Backends.Simulator;

public sealed class SimulatorScheduleTests
{
    private static readonly SimulatorOptions Spread = new()
    {
        TimeToFirstToken = TimeSpan.FromMilliseconds(200),
        TimeToFirstTokenStdDev = TimeSpan.FromMilliseconds(100),
        InterTokenLatency = TimeSpan.FromMilliseconds(20),
        InterTokenLatencyStdDev = TimeSpan.FromMilliseconds(10),
    };

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    public void SameSeed_SameSchedule(long seed) => Times(seed).ShouldBe(Times(seed));

    [Fact]
    public void OtherSeed_OtherSchedule() => Times(1).ShouldNotBe(Times(2));

    [Fact]
    public void SeedsThatDifferAboveThirtyTwoBits_OtherSchedule() => Times(1).ShouldNotBe(Times(1L << 40));

    [Fact]
    public void Spread_StaysWithinItsCutAndAroundItsMean() => Properties.HoldsForSeeds(
        random =>
        {
            var schedule = new SimulatorSchedule(Spread, SimulatorOverrides.None, random.NextInt64(), 0);
            var first = schedule.First();
            first.TotalMilliseconds.ShouldBeInRange(60 - 0.001, 340.001);
            var last = first;
            var sum = 0.0;
            for (var index = 0; index < 2000; index++)
            {
                var next = schedule.Next();
                (next - last).TotalMilliseconds.ShouldBeInRange(6 - 0.001, 34.001);
                sum += (next - last).TotalMilliseconds;
                last = next;
            }

            (sum / 2000).ShouldBeInRange(18.5, 21.5);
        },
        count: 20);

    [Fact]
    public void NoSpread_IsExact()
    {
        var schedule = new SimulatorSchedule(
            new SimulatorOptions
            {
                TimeToFirstToken = TimeSpan.FromMilliseconds(7),
                PrefillTimePerToken = TimeSpan.FromMilliseconds(2),
                InterTokenLatency = TimeSpan.FromMilliseconds(3),
            },
            SimulatorOverrides.None, seed: 1, inputTokens: 5);

        schedule.First().ShouldBe(TimeSpan.FromMilliseconds(17));
        schedule.Next().ShouldBe(TimeSpan.FromMilliseconds(20));
        schedule.Next().ShouldBe(TimeSpan.FromMilliseconds(23));
    }

    [Fact]
    public void Load_MultipliesTheMeans()
    {
        var options = new SimulatorOptions
        {
            TimeToFirstToken = TimeSpan.FromMilliseconds(20),
            PrefillTimePerToken = TimeSpan.FromMilliseconds(1),
            InterTokenLatency = TimeSpan.FromMilliseconds(4),
        };
        var schedule = new SimulatorSchedule(options, SimulatorOverrides.None, seed: 1, inputTokens: 10);

        schedule.First(1.5).ShouldBe(TimeSpan.FromMilliseconds(45));
        schedule.Next(2.5).ShouldBe(TimeSpan.FromMilliseconds(55));
    }

    [Fact]
    public void Chosen_AreExact_WithoutSpreadOrPrefill_AndSlowAllTheSame()
    {
        var overrides = new SimulatorOverrides
        {
            TimeToFirstToken = TimeSpan.FromMilliseconds(5), InterTokenLatency = TimeSpan.FromMilliseconds(0.5),
        };
        var schedule = new SimulatorSchedule(Spread, overrides, seed: 1, inputTokens: 9, slowness: 10);

        schedule.First().ShouldBe(TimeSpan.FromMilliseconds(50));
        schedule.Next().ShouldBe(TimeSpan.FromMilliseconds(55));
        schedule.Next(2).ShouldBe(TimeSpan.FromMilliseconds(65));
    }

    [Fact]
    public void Slow_IsTheSameScheduleStretched()
    {
        var (usual, slow) = (Times(4), Times(4, slowness: 3));

        for (var index = 0; index < usual.Count; index++)
            slow[index].TotalMilliseconds.ShouldBe(3 * usual[index].TotalMilliseconds, tolerance: 0.01);
    }

    private static List<TimeSpan> Times(long seed, double slowness = 1)
    {
        var schedule = new SimulatorSchedule(Spread, SimulatorOverrides.None, seed, 3, slowness);
        return [schedule.First(), .. Enumerable.Range(0, 50).Select(_ => schedule.Next())];
    }
}
