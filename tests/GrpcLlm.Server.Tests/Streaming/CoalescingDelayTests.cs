using Google.Protobuf.WellKnownTypes;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Streaming;

public sealed class CoalescingDelayTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void IsOver_NothingAskedFor_AtOnce()
    {
        new CoalescingDelay(null, _time).IsOver(1).ShouldBeTrue();
        new CoalescingDelay(new Coalescing { MaxTokens = 8 }, _time).IsOver(1).ShouldBeTrue();
        new CoalescingDelay(new Coalescing { MaxDelay = new Duration() }, _time).IsOver(1).ShouldBeTrue();
    }

    [Fact]
    public void IsOver_AfterTheLongestWait()
    {
        var delay = Of(milliseconds: 10, tokens: 0);

        delay.IsOver(1).ShouldBeFalse();
        _time.Advance(TimeSpan.FromMilliseconds(9));
        delay.IsOver(1000).ShouldBeFalse();
        _time.Advance(TimeSpan.FromMilliseconds(1));
        delay.IsOver(1).ShouldBeTrue();
    }

    [Fact]
    public void IsOver_WithEnoughTokens_AtOnce()
    {
        var delay = Of(milliseconds: 10, tokens: 3);

        delay.IsOver(2).ShouldBeFalse();
        delay.IsOver(3).ShouldBeTrue();
        delay.IsOver(2).ShouldBeFalse();
    }

    [Fact]
    public void Restart_GivesTheNextBatchItsOwnTime()
    {
        var delay = Of(milliseconds: 10, tokens: 0);
        delay.IsOver(1).ShouldBeFalse();
        _time.Advance(TimeSpan.FromMilliseconds(10));
        delay.IsOver(1).ShouldBeTrue();

        delay.Restart();

        delay.IsOver(1).ShouldBeFalse();
        _time.Advance(TimeSpan.FromMilliseconds(9));
        delay.IsOver(1).ShouldBeFalse();
    }

    [Fact]
    public void Task_CompletesWhenTheWaitIsOver()
    {
        var delay = Of(milliseconds: 10, tokens: 0);
        delay.IsOver(1).ShouldBeFalse();
        var task = delay.Task;
        task.IsCompleted.ShouldBeFalse();

        _time.Advance(TimeSpan.FromMilliseconds(10));

        task.IsCompleted.ShouldBeTrue();
        delay.IsOver(1).ShouldBeTrue();
    }

    private CoalescingDelay Of(int milliseconds, uint tokens) => new(
        new Coalescing { MaxDelay = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(milliseconds)), MaxTokens = tokens },
        _time);
}
