using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Simulator;

namespace GrpcLlm.Server.Tests.Backends.Simulator;

public sealed class SimulatorPausesTests
{
    private static readonly SimulatorOptions Pausing = new()
    {
        TimeToFirstToken = TimeSpan.FromMilliseconds(400), InterTokenLatency = TimeSpan.FromMilliseconds(400),
        PauseEvery = TimeSpan.FromSeconds(1), PauseLength = TimeSpan.FromMilliseconds(250),
    };

    // Pauses from 1000 to 1250, from 2000 to 2250, …, after a first call at 5000.
    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(0, 999, 999)]
    [InlineData(0, 1000, 1250)]
    [InlineData(0, 1749, 1999)]
    [InlineData(0, 1750, 2250)]
    [InlineData(500, 100, 600)]
    [InlineData(500, 600, 1350)]
    [InlineData(1000, 0, 1250)]
    [InlineData(1100, 0, 1250)]
    [InlineData(1100, 10, 1260)]
    [InlineData(1250, 0, 1250)]
    [InlineData(1300, 1400, 2950)]
    [InlineData(2100, 800, 3300)]
    public void After_LeavesThePausesOut(int start, int work, int expected)
    {
        var pauses = new SimulatorPauses(Pausing.PauseEvery, Pausing.PauseLength);
        pauses.Begin(Milliseconds(5000));
        pauses.Begin(Milliseconds(7777));

        pauses.After(Milliseconds(5000 + start), Milliseconds(work)).ShouldBe(Milliseconds(5000 + expected));
    }

    [Fact]
    public void After_NoPauses_IsTheSum() =>
        new SimulatorPauses(TimeSpan.Zero, TimeSpan.Zero).After(Milliseconds(5), Milliseconds(6)).ShouldBe(Milliseconds(11));

    [Fact]
    public async Task RunningStream_StandsStillAndGoesOn()
    {
        var rig = new SimulatorRig(Pausing);
        await using var events = await rig.OpenAsync();

        await rig.ComesAfterAsync(events, 400);
        await rig.ComesAfterAsync(events, 400);
        await rig.ComesAfterAsync(events, 650);
        await rig.ComesAfterAsync(events, 400);
    }

    [Fact]
    public async Task RequestInAPause_BeginsBehindIt_RefusalsToo()
    {
        var options = new SimulatorOptions { PauseEvery = TimeSpan.FromSeconds(1), PauseLength = TimeSpan.FromMilliseconds(250), AllowRequestOverrides = true };
        var rig = new SimulatorRig(options);
        await rig.ReadAsync(tokens: 1);
        rig.Time.Advance(Milliseconds(1100));

        await using var served = await rig.OpenAsync();
        await rig.ComesAfterAsync(served, 150);
        rig.Time.Advance(Milliseconds(750));
        await using var refused = rig.Start(metadata: SimulatorRig.Choosing("simulate-fault", "429"));
        await Should.ThrowAsync<BackendException>(await rig.EndsAfterAsync(refused, 250));
    }

    [Fact]
    public async Task PauseLongerThanTheIdleTimeout_IsAStall()
    {
        var rig = new SimulatorRig(new SimulatorOptions
        {
            InterTokenLatency = Milliseconds(400), PauseEvery = TimeSpan.FromSeconds(100), PauseLength = TimeSpan.FromSeconds(99),
            TimeToFirstToken = TimeSpan.FromSeconds(20), IdleTimeout = TimeSpan.FromSeconds(10),
        });
        await using (var earlier = await rig.OpenAsync()) rig.Time.Advance(TimeSpan.FromSeconds(79.9));
        await using var events = await rig.OpenAsync();
        await rig.ComesAfterAsync(events, 20_000);

        (await Should.ThrowAsync<BackendException>(await rig.EndsAfterAsync(events, 10_000))).Failure.ShouldBe(BackendFailure.Stalled);
    }

    private static TimeSpan Milliseconds(double value) => TimeSpan.FromMilliseconds(value);
}
