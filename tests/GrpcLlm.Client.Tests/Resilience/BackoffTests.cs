using GrpcLlm.Client.Resilience;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Client.Tests.Resilience;

public sealed class BackoffTests
{
    private static readonly Backoff Waits = new(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(5));

    [Theory]
    [InlineData(1, 100)]
    [InlineData(2, 200)]
    [InlineData(3, 400)]
    [InlineData(6, 3200)]
    [InlineData(7, 5000)]
    [InlineData(1000, 5000)]
    public void Wait_WithoutJitter_DoublesUpToTheLongest(int attempt, int milliseconds) =>
        Waits.After(attempt, random: 0).ShouldBe(TimeSpan.FromMilliseconds(milliseconds));

    [Fact]
    public void Wait_WithJitter_LiesBetweenHalfAndWhole() => Properties.HoldsForSeeds(random =>
    {
        var attempt = random.Next(1, 12);
        var whole = Waits.After(attempt, random: 0);

        Waits.After(attempt, random.NextDouble()).ShouldBeInRange(whole / 2, whole);
    });

    [Fact]
    public void Wait_BaseZero_IsNone() => new Backoff(TimeSpan.Zero, TimeSpan.FromSeconds(5)).After(5, 0.5).ShouldBe(TimeSpan.Zero);
}
