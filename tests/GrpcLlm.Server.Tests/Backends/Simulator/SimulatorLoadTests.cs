using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Simulator;

namespace GrpcLlm.Server.Tests.Backends.Simulator;

/// <summary>Slots, the queue before them, and what becomes slower as they fill.</summary>
public sealed class SimulatorLoadTests
{
    [Fact]
    public async Task SlotsTaken_WaitsInOrder_AndTellsItsPlace()
    {
        var rig = new SimulatorRig(new SimulatorOptions { MaxConcurrent = 1, OutputTokens = 1 });
        var first = await rig.OpenAsync();
        await using var second = rig.Start();
        await using var third = rig.Start();
        (await second.MoveNextAsync()).ShouldBeTrue();
        (await third.MoveNextAsync()).ShouldBeTrue();
        second.Current.QueuePosition.ShouldBe(1u);
        third.Current.QueuePosition.ShouldBe(2u);
        var (secondNext, thirdNext) = (second.MoveNextAsync().AsTask(), third.MoveNextAsync().AsTask());

        await first.DisposeAsync();

        (await secondNext).ShouldBeTrue();
        second.Current.Kind.ShouldBe(BackendEventKind.Opened);
        (await thirdNext).ShouldBeTrue();
        third.Current.QueuePosition.ShouldBe(1u);
        await second.DisposeAsync();
        (await third.MoveNextAsync()).ShouldBeTrue();
        third.Current.Kind.ShouldBe(BackendEventKind.Opened);
    }

    [Fact]
    public async Task QueueFull_IsOverloaded()
    {
        var rig = new SimulatorRig(new SimulatorOptions { MaxConcurrent = 1, MaxQueue = 1 });
        await using var first = await rig.OpenAsync();
        await using var second = rig.Start();
        await second.MoveNextAsync();

        (await rig.ReadAsync()).Failure!.Failure.ShouldBe(BackendFailure.Overloaded);
    }

    [Fact]
    public async Task Queued_BeyondTheFirstTokenTimeout_IsAStall()
    {
        var rig = new SimulatorRig(new SimulatorOptions { MaxConcurrent = 1, FirstTokenTimeout = TimeSpan.FromSeconds(2) });
        await using var first = await rig.OpenAsync();
        await using var second = rig.Start();
        await second.MoveNextAsync();

        var failure = await Should.ThrowAsync<BackendException>(await rig.EndsAfterAsync(second, 2000));

        failure.Failure.ShouldBe(BackendFailure.Stalled);
        rig.Backend.Slots.Waiting.ShouldBe(0);
    }

    [Fact]
    public async Task Queued_Cancelled_LeavesTheQueue()
    {
        var rig = new SimulatorRig(new SimulatorOptions { MaxConcurrent = 1 });
        await using var first = await rig.OpenAsync();
        using var source = new CancellationTokenSource();
        await using var second = rig.Start(source: source);
        await second.MoveNextAsync();
        var next = second.MoveNextAsync().AsTask();

        await source.CancelAsync();

        (await next).ShouldBeFalse();
        rig.Backend.Slots.Waiting.ShouldBe(0);
    }

    [Fact]
    public async Task TimeToFirstToken_RunsFromTheSlot()
    {
        var rig = new SimulatorRig(new SimulatorOptions { MaxConcurrent = 1, TimeToFirstToken = TimeSpan.FromMilliseconds(100) });
        var first = await rig.OpenAsync();
        await using var second = rig.Start();
        await second.MoveNextAsync();
        rig.Time.Advance(TimeSpan.FromMilliseconds(60));
        await first.DisposeAsync();
        (await second.MoveNextAsync()).ShouldBeTrue();

        await rig.ComesAfterAsync(second, 100);
    }

    // 1 + (5 - 1) * (running - 1) / (5 - 1): one more mean for each answer more.
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 3)]
    [InlineData(5, 5)]
    public async Task TimeFactorUnderLoad_GrowsWithTheRunningAnswers(int running, double factor)
    {
        var rig = new SimulatorRig(new SimulatorOptions
        {
            MaxConcurrent = 5, TimeFactorUnderLoad = 5, TimeToFirstToken = TimeSpan.FromMilliseconds(100), InterTokenLatency = TimeSpan.FromMilliseconds(20),
        });
        var others = new List<IAsyncEnumerator<BackendEvent>>();
        for (var other = 1; other < running; other++) others.Add(await rig.OpenAsync());
        await using var events = await rig.OpenAsync();

        await rig.ComesAfterAsync(events, 100 * factor);
        await rig.ComesAfterAsync(events, 20 * factor);
        foreach (var other in others) await other.DisposeAsync();
        await rig.ComesAfterAsync(events, 20);
    }
}
