using Grpc.Core;
using GrpcLlm.Server.Hosting;

namespace GrpcLlm.Server.Tests.Hosting;

public sealed class RehearsalTests
{
    [Fact]
    public async Task RunAsync_Always_ServesAWholeAnswer()
    {
        var (status, messages) = await Rehearsal.RunAsync();

        status.ShouldBe(Status.DefaultSuccess);
        messages.ShouldBeGreaterThan(1);
    }

    [Fact]
    public async Task Ended_OnceStarted_Completes() =>
        await Rehearsal.Start().Ended.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
}
