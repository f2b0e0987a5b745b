using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Telemetry;

public sealed class CallStatesTests : IDisposable
{
    private readonly Measured _measured = new();

    public void Dispose() => _measured.Dispose();

    [Fact]
    public void Call_IsInExactlyOneStateUntilItsEnd()
    {
        var states = New();
        states.Accept();
        AssertActive("waiting_for_first_token");
        states.Move(StreamState.Queued);
        AssertActive("queued");
        states.Move(StreamState.Streaming);
        states.Move(StreamState.Streaming);
        AssertActive("streaming");
        states.SetStalled(true);
        AssertActive("stalled");
        states.SetStalled(false);
        AssertActive("streaming");

        states.Finish();
        states.Finish();

        AssertActive();
    }

    [Fact]
    public void Phase_ThatChangesWhileTheClientStalls_ShowsAfterwards()
    {
        var states = New();
        states.Accept();
        states.Move(StreamState.Queued);
        states.SetStalled(true);
        states.Move(StreamState.WaitingForFirstToken);
        AssertActive("stalled");

        states.SetStalled(false);

        AssertActive("waiting_for_first_token");
    }

    [Fact]
    public void Move_AfterTheEnd_CountsNothing()
    {
        var states = New();
        states.Accept();
        states.Finish();

        states.Move(StreamState.Queued);

        AssertActive();
    }

    [Fact]
    public void Finish_NeverAccepted_CountsNothing()
    {
        New().Finish();

        AssertActive();
    }

    [Fact]
    public void Calls_InAnyStates_BalanceToNothing() => Properties.HoldsForSeeds(random =>
    {
        var calls = Enumerable.Range(0, 5).Select(_ => New()).ToList();
        calls.ForEach(static call => call.Accept());
        for (var index = 0; index < 30; index++)
        {
            var call = calls[random.Next(5)];
            if (random.Next(2) == 0) call.Move((StreamState)random.Next(3));
            else call.SetStalled(random.Next(2) == 0);
        }

        _measured.Observe();
        var active = _measured.SumsOf(TelemetryNames.StreamsActive).Values;
        active.Sum().ShouldBe(5);
        active.ShouldAllBe(static count => count >= 0);

        calls.ForEach(static call => call.Finish());

        AssertActive();
    });

    private CallStates New() => new(_measured.Metrics);

    private void AssertActive(params string[] states)
    {
        _measured.Observe();
        _measured.SumsOf("grpcllm.streams.active")
            .ShouldBe(states.Select(static state => KeyValuePair.Create($"state={state}", 1d)));
    }
}
