using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Admission;

public sealed class CallLifetimeTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly CancellationTokenSource _client = new();

    public void Dispose() => _client.Dispose();

    [Fact]
    public void Stop_TheFirstCause_Wins()
    {
        using var lifetime = new CallLifetime(null, _time, _client.Token);
        lifetime.Cause.ShouldBe(StopCause.None);
        lifetime.Stopped.IsCompleted.ShouldBeFalse();

        lifetime.Stop(StopCause.Cancelled).ShouldBeTrue();
        lifetime.Stop(StopCause.TimeBudget).ShouldBeFalse();
        _client.Cancel();

        lifetime.Cause.ShouldBe(StopCause.Cancelled);
        lifetime.Token.IsCancellationRequested.ShouldBeTrue();
        lifetime.Stopped.IsCompleted.ShouldBeTrue();
    }

    [Fact]
    public void Stop_FromManyThreads_HasOneFirst()
    {
        using var lifetime = new CallLifetime(null, _time, _client.Token);
        var firsts = 0;

        Parallel.For(0, 64, index =>
        {
            if (lifetime.Stop((StopCause)(1 + (index % 4)))) Interlocked.Increment(ref firsts);
        });

        firsts.ShouldBe(1);
    }

    [Fact]
    public void ClientLeaves_Stops()
    {
        using var lifetime = new CallLifetime(null, _time, _client.Token);

        _client.Cancel();

        lifetime.Cause.ShouldBe(StopCause.ClientGone);
    }

    [Fact]
    public void ClientLeft_BeforeItBegan_IsStoppedAtOnce()
    {
        _client.Cancel();
        using var lifetime = new CallLifetime(TimeSpan.FromSeconds(1), _time, _client.Token);

        lifetime.Cause.ShouldBe(StopCause.ClientGone);
        lifetime.Token.IsCancellationRequested.ShouldBeTrue();
    }

    [Fact]
    public void Budget_Over_Stops()
    {
        using var lifetime = new CallLifetime(TimeSpan.FromSeconds(3), _time, _client.Token);
        _time.Advance(TimeSpan.FromTicks(TimeSpan.TicksPerSecond * 3 - 1));
        lifetime.Cause.ShouldBe(StopCause.None);

        _time.Advance(TimeSpan.FromTicks(1));

        lifetime.Cause.ShouldBe(StopCause.TimeBudget);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    public void Budget_OverAlready_StopsAtOnce(int seconds)
    {
        using var lifetime = new CallLifetime(TimeSpan.FromSeconds(seconds), _time, _client.Token);
        _time.Advance(TimeSpan.Zero);

        lifetime.Cause.ShouldBe(StopCause.TimeBudget);
    }

    [Theory]
    [InlineData(49)]
    [InlineData(50)]
    [InlineData(3_652_500)]
    public void Budget_LongerThanATimerCanWait_IsTaken(int days)
    {
        using var lifetime = new CallLifetime(TimeSpan.FromDays(days), _time, _client.Token);

        lifetime.Cause.ShouldBe(StopCause.None);
    }

    [Fact]
    public void Dispose_LeavesNoTimerAndHearsNothing()
    {
        var lifetime = new CallLifetime(TimeSpan.FromSeconds(3), _time, _client.Token);
        lifetime.Dispose();

        _time.ArmedTimers.ShouldBe(0);
        _client.Cancel();
        lifetime.Cause.ShouldBe(StopCause.None);
        lifetime.Stop(StopCause.Cancelled).ShouldBeTrue("too late to matter, and no error");
    }

    /// <summary>Milliseconds: deadline from acceptance, budget, elapsed since acceptance, what is left.</summary>
    [Theory]
    [InlineData(null, null, 10, null)]
    [InlineData(null, 500, 0, 500.0)]
    [InlineData(null, 500, 200, 300.0)]
    [InlineData(null, 500, 700, -200.0)]
    [InlineData(10_000, null, 0, 9_950.0)]
    [InlineData(10_000, null, 1_000, 8_950.0)]
    [InlineData(500, null, 0, 450.0)]
    [InlineData(100, null, 0, 90.0)]
    [InlineData(1, null, 0, 0.9)]
    [InlineData(0, null, 0, 0.0)]
    [InlineData(-20, null, 0, -20.0)]
    [InlineData(10_000, 500, 0, 500.0)]
    [InlineData(500, 10_000, 0, 450.0)]
    [InlineData(500, 470, 0, 450.0)]
    public void TimeLeft_IsTheEarlierOfBudgetAndDeadlineLessAMargin(int? deadline, int? budget, int elapsed, double? left)
    {
        var clock = new CallClock(_time);
        _time.Advance(TimeSpan.FromMilliseconds(elapsed));

        CallLifetime.TimeLeft(
            deadline is { } at ? clock.AcceptedAt.UtcDateTime.AddMilliseconds(at) : DateTime.MaxValue,
            budget is { } most ? TimeSpan.FromMilliseconds(most) : null,
            TimeSpan.FromMilliseconds(50), clock).ShouldBe(left is { } rest ? TimeSpan.FromMilliseconds(rest) : null);
    }

    [Fact]
    public void TimeLeft_NoMargin_IsTheDeadlineItself()
    {
        var clock = new CallClock(_time);

        CallLifetime.TimeLeft(clock.AcceptedAt.UtcDateTime.AddSeconds(1), null, TimeSpan.Zero, clock)
            .ShouldBe(TimeSpan.FromSeconds(1));
    }
}
