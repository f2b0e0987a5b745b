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
            var schedule = new SimulatorSchedule(Spread, random.NextInt64(), 0);
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
            seed: 1, inputTokens: 5);

        schedule.First().ShouldBe(TimeSpan.FromMilliseconds(17));
        schedule.Next().ShouldBe(TimeSpan.FromMilliseconds(20));
        schedule.Next().ShouldBe(TimeSpan.FromMilliseconds(23));
    }

    private static List<TimeSpan> Times(long seed)
    {
        var schedule = new SimulatorSchedule(Spread, seed, 3);
        return [schedule.First(), .. Enumerable.Range(0, 50).Select(_ => schedule.Next())];
    }
}
