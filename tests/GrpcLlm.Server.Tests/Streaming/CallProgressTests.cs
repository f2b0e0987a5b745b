using GrpcLlm.Server.Streaming;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Streaming;

public sealed class CallProgressTests
{
    private readonly CallProgress _progress = new();

    [Fact]
    public void Read_NothingTold_Connecting()
    {
        var (current, changed) = _progress.Read();

        current.ShouldBe(new Progress { Phase = ProgressPhase.Connecting });
        changed.IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public void Report_AfterRead_CompletesTheTaskAndShowsTheNewState()
    {
        var before = _progress.Read();

        _progress.Report(ProgressPhase.Queued, 0, 3);

        before.Changed.IsCompletedSuccessfully.ShouldBeTrue();
        _progress.Read().Current.ShouldBe(new Progress { Phase = ProgressPhase.Queued, QueuePosition = 3 });
        before.Current.ShouldBe(new Progress { Phase = ProgressPhase.Connecting });
    }

    [Fact]
    public void Report_SameStateAgain_LeavesTheTask()
    {
        _progress.Report(ProgressPhase.WaitingForFirstToken, 1);
        var (_, changed) = _progress.Read();

        _progress.Report(ProgressPhase.WaitingForFirstToken, 1);

        changed.IsCompleted.ShouldBeFalse();
        _progress.Read().Changed.ShouldBeSameAs(changed);
    }
}
