using System.Diagnostics.Metrics;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Telemetry;

public sealed class CallStatesTests : IDisposable
{
    private readonly FakeMeterFactory _meters = new();
    private readonly MeterListener _listener = new();
    private readonly Dictionary<string, long> _active = new(StringComparer.Ordinal);
    private readonly List<string> _finished = [];
    private readonly ServerMetrics _metrics;

    public CallStatesTests()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter.Scope, _meters)) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>(Measured);
        _listener.Start();
        _metrics = new ServerMetrics(_meters);
    }

    public void Dispose()
    {
        _listener.Dispose();
        _meters.Dispose();
    }

    [Fact]
    public void Call_IsInExactlyOneStateUntilItsEnd()
    {
        var states = new CallStates(_metrics);
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

        states.Finish("stop", Fault.None);
        states.Finish("stop", Fault.None);

        AssertActive();
        _finished.ShouldBe(["fault=none,reason=stop"]);
    }

    [Fact]
    public void Phase_ThatChangesWhileTheClientStalls_ShowsAfterwards()
    {
        var states = new CallStates(_metrics);
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
        var states = new CallStates(_metrics);
        states.Accept();
        states.Finish("stop", Fault.None);

        states.Move(StreamState.Queued);

        AssertActive();
    }

    [Fact]
    public void Finish_NeverAccepted_CountsNothing()
    {
        new CallStates(_metrics).Finish("stop", Fault.None);

        _finished.ShouldBeEmpty();
        AssertActive();
    }

    [Fact]
    public void Calls_InAnyStates_BalanceToNothing() => Properties.HoldsForSeeds(random =>
    {
        var calls = Enumerable.Range(0, 5).Select(_ => new CallStates(_metrics)).ToList();
        calls.ForEach(static call => call.Accept());
        for (var index = 0; index < 30; index++)
        {
            var call = calls[random.Next(5)];
            if (random.Next(2) == 0) call.Move((StreamState)random.Next(3));
            else call.SetStalled(random.Next(2) == 0);
        }


        _active.Values.Sum().ShouldBe(5);
        _active.Values.ShouldAllBe(static count => count >= 0);

        calls.ForEach(static call => call.Finish("length", Fault.None));

        AssertActive();
    });

    [Fact]
    public void Finished_TellsWhoseFaultItWas()
    {
        foreach (var fault in Enum.GetValues<Fault>()) _metrics.StreamFinished(StreamState.Queued, "x", fault);

        _finished.ShouldBe(
            ["fault=none,reason=x", "fault=client,reason=x", "fault=service,reason=x", "fault=upstream,reason=x"]);
    }

    private void AssertActive(params string[] states) => _active.Where(static pair => pair.Value != 0)
        .ShouldBe(states.Select(static state => KeyValuePair.Create(state, 1L)));

    private void Measured(
        Instrument instrument, long value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state)
    {
        if (string.Equals(instrument.Name, "grpcllm.streams.active", StringComparison.Ordinal))
        {
            tags.Length.ShouldBe(1);
            tags[0].Key.ShouldBe("state");
            var name = (string)tags[0].Value!;
            _active[name] = _active.GetValueOrDefault(name) + value;
        }
        else
        {
            instrument.Name.ShouldBe("grpcllm.streams.finished");
            value.ShouldBe(1);
            _finished.Add(string.Join(',', tags.ToArray().Select(static tag => $"{tag.Key}={tag.Value}").Order(StringComparer.Ordinal)));
        }
    }
}
