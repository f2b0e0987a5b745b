using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Telemetry;

public sealed class StatusHistoryTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly StatusHistory _history;

    public StatusHistoryTests() => _history = new StatusHistory(_time);

    [Fact]
    public void NewProcess_HasOneStep_InWhichNothingHappened() => _history.Read().ShouldHaveSingleItem().ShouldBeNull();

    [Fact]
    public void Steps_HoldWhatHappenedInThem_OldestFirst()
    {
        _history.TokensSent(64);
        _history.TokensSent(6);
        _time.Advance(StatusHistory.Step * 2);
        _history.TokensSent(3);
        _history.FirstTokenSent(20_000);

        var steps = _history.Read();

        steps.Select(static step => step?.Tokens).ShouldBe([70, null, 3]);
        steps[0]!.TimeToFirstToken.Summarize().ShouldBeNull();
        steps[2]!.TimeToFirstToken.Summarize()!.Count.ShouldBe(1);
    }

    [Fact]
    public void Window_Slides_AndItsStepsExpire()
    {
        _history.TokensSent(1);
        _time.Advance(StatusHistory.Step * (StatusHistory.Steps - 1));

        var steps = _history.Read();
        steps.Count.ShouldBe(StatusHistory.Steps);
        steps[0]!.Tokens.ShouldBe(1);

        _time.Advance(StatusHistory.Step);
        _history.Read().ShouldAllBe(static step => step == null);

        // The place of the first step is taken by another, and nothing of it is left.
        _history.TokensSent(2);
        _history.Read().OfType<HistorySlot>().ShouldHaveSingleItem().Tokens.ShouldBe(2);
    }

    [Fact]
    public void IdleForLong_HoldsNothing()
    {
        _history.CallEnded(Ended(ErrorReason.Internal));
        _time.Advance(TimeSpan.FromDays(30));

        _history.Read().Count.ShouldBe(StatusHistory.Steps);
        _history.Read().ShouldAllBe(static step => step == null);
    }

    [Fact]
    public void Ends_AreCountedByReasonAndModel_WithTheirAttempts()
    {
        _history.CallEnded(Ended(ErrorReason.Unspecified, "m", ("a", "key1", AttemptOutcome.Failed), ("b", "", AttemptOutcome.Served)));
        _history.CallEnded(Ended(ErrorReason.UpstreamUnavailable, "m", ("a", "key1", AttemptOutcome.Failed)));
        _history.CallEnded(Ended(ErrorReason.ModelNotFound));

        var step = _history.Read().ShouldHaveSingleItem().ShouldNotBeNull();

        step.EndsBy(ErrorReason.Unspecified).ShouldBe(1);
        step.EndsBy(ErrorReason.UpstreamUnavailable).ShouldBe(1);
        step.EndsBy(ErrorReason.ModelNotFound).ShouldBe(1);
        step.EndsBy(ErrorReason.Internal).ShouldBe(0);
        step.CallsOf("m").ShouldBe((2L, 1L));
        step.CallsOf(TelemetryNames.Other).ShouldBe((1L, 1L));
        step.CallsOf("n").ShouldBe((0L, 0L));
        step.Attempts("a", "key1", AttemptOutcome.Failed).ShouldBe(2);
        step.Attempts("a", "key1", AttemptOutcome.Served).ShouldBe(0);
        step.Attempts("b", "", AttemptOutcome.Served).ShouldBe(1);
        step.Attempts("b", "key1", AttemptOutcome.Served).ShouldBe(0);
    }

    [Fact]
    public void TimePerOutputToken_IsOfSuccessAlone()
    {
        _history.CallEnded(WithTokens(ErrorReason.UpstreamTruncated));
        _history.Read()[0]!.TimePerOutputToken.Summarize().ShouldBeNull();

        _history.CallEnded(WithTokens(ErrorReason.Unspecified));
        var times = _history.Read()[0]!.TimePerOutputToken.Summarize().ShouldNotBeNull();
        times.Count.ShouldBe(1);
        times.P50Ms.ShouldBe(10, 10 * LogHistogram.RelativeError);
    }

    [Fact]
    public void LastSeen_IsTheLatestFailureOfThatReason()
    {
        _history.LastSeen(ErrorReason.Internal).ShouldBeNull();
        _history.CallEnded(Ended(ErrorReason.Internal));
        _time.Advance(TimeSpan.FromSeconds(7));
        var then = _time.GetUtcNow();
        _history.CallEnded(Ended(ErrorReason.Internal));
        _time.Advance(TimeSpan.FromSeconds(7));
        _history.CallEnded(Ended(ErrorReason.Overloaded));

        _history.LastSeen(ErrorReason.Internal).ShouldBe(then);
        _history.LastSeen(ErrorReason.Overloaded).ShouldBe(_time.GetUtcNow());
    }

    [Fact]
    public void FullHistory_TakesLessThanAMegabyte()
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var step = 0; step < 3 * StatusHistory.Steps; step++)
        {
            for (var call = 0; call < 5; call++)
            {
                _history.TokensSent(64);
                _history.FirstTokenSent(1000 * (call + 1));
                _history.CallEnded(Ended(ErrorReason.Internal, "m", ("a", "key1", AttemptOutcome.Failed)));
            }

            _time.Advance(StatusHistory.Step);
        }

        (GC.GetTotalMemory(forceFullCollection: true) - before).ShouldBeLessThan(1_000_000);
        _history.Read().OfType<HistorySlot>().Count().ShouldBe(StatusHistory.Steps - 1);
    }

    [Fact]
    public void WithinAStep_NothingIsAllocatedForTokens()
    {
        _history.TokensSent(1);
        _history.FirstTokenSent(1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var n = 0; n < 1000; n++)
        {
            _history.TokensSent(1);
            _history.FirstTokenSent(n);
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }

    [Fact]
    public void ConcurrentCounts_AreAllCounted()
    {
        Parallel.For(0, 10_000, _ =>
        {
            _history.TokensSent(3);
            _history.CallEnded(Ended(ErrorReason.Internal, "m"));
        });

        var step = _history.Read().ShouldHaveSingleItem().ShouldNotBeNull();
        step.Tokens.ShouldBe(30_000);
        step.EndsBy(ErrorReason.Internal).ShouldBe(10_000);
        step.CallsOf("m").ShouldBe((10_000L, 10_000L));
    }

    private GenerationRecord Ended(
        ErrorReason reason, string model = "", params (string Backend, string Key, AttemptOutcome Outcome)[] attempts)
    {
        var record = new GenerationRecord(new CallClock(_time), "r") { Model = model };
        record.Attempts.AddRange(attempts.Select(static one =>
            new Attempt { Backend = one.Backend, KeyLabel = one.Key, Outcome = one.Outcome }));
        if (reason == ErrorReason.Unspecified) record.Finish(FinishReason.Stop);
        else record.Fail(reason);
        return record;
    }

    /// <summary>Three tokens, ten milliseconds apart.</summary>
    private GenerationRecord WithTokens(ErrorReason reason)
    {
        var record = Ended(reason, "m");
        for (var token = 0; token < 3; token++) record.TokensArrived(1, 5000 + (token * 10_000), isReasoning: false);
        return record;
    }
}
