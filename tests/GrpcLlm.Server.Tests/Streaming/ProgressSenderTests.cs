using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Streaming;

public sealed class ProgressSenderTests : IDisposable
{
    private readonly CallRig _rig = new();
    private readonly CallProgress _progress = new();
    private readonly TaskCompletionSource _opening = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task Send_AtOnceOnEveryChangeAndEveryInterval()
    {
        var sending = Sender().SendUntilAsync(_opening.Task);
        _rig.Messages.ShouldHaveSingleItem().Progress.ShouldBe(new Progress { Phase = ProgressPhase.Connecting });

        _progress.Report(ProgressPhase.Queued, 1, 4);
        await _rig.Stream.HasAsync(2);
        _rig.Messages[1].Progress.ShouldBe(new Progress { Phase = ProgressPhase.Queued, Attempt = 1, QueuePosition = 4 });

        await _rig.Time.HasArmedAsync(2);
        _rig.Time.Advance(ProgressSender.Interval);
        await _rig.Stream.HasAsync(3);
        _rig.Messages[2].Progress.ShouldBe(_rig.Messages[1].Progress);

        _opening.SetResult();
        await sending;
        _rig.Messages.Select(static message => message.Sequence).ShouldBe([1UL, 2, 3]);
        _rig.Messages.ShouldAllBe(static message => message.Started == null && message.TokenCount == 0);
        _rig.Record.Delivered.ShouldBeFalse();
        _rig.Time.ArmedTimers.ShouldBe(0);
    }

    [Fact]
    public async Task Send_NothingChanged_StaysSilentBeforeTheInterval()
    {
        var sending = Sender().SendUntilAsync(_opening.Task);
        _progress.Report(ProgressPhase.Connecting, 0);

        _rig.Time.Advance(ProgressSender.Interval - TimeSpan.FromMilliseconds(1));
        _opening.SetResult();
        await sending;

        _rig.Messages.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Send_OpenedAlready_SendsNothing()
    {
        await Sender().SendUntilAsync(Task.CompletedTask);

        _rig.Messages.ShouldBeEmpty();
    }

    [Fact]
    public async Task Send_OpeningFails_LeavesTheFailureToTheCaller()
    {
        var sending = Sender().SendUntilAsync(_opening.Task);
        _opening.SetException(new FormatException("x"));

        await sending;
    }

    [Fact]
    public async Task Send_ClientHasGone_StopsTheCall()
    {
        _rig.Stream.Failure = new IOException("gone");

        await Sender().SendUntilAsync(_opening.Task);

        _rig.Lifetime.Cause.ShouldBe(StopCause.ClientGone);
    }

    private ProgressSender Sender() => new(_rig.Writer, _progress, _rig.Lifetime, _rig.Time);
}
