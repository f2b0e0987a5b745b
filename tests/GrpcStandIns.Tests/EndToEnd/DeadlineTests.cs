namespace GrpcStandIns.Tests.EndToEnd;

public class DeadlineTests
{
    private static readonly TimeProvider Clock = TimeProvider.System;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task DeadlineSet_HandlerSeesOneInTheFutureInUtc()
    {
        var seen = new TaskCompletionSource<DateTime>();
        await using var host = await EchoHost.StartAsync(Reports(seen));

        var now = Clock.GetUtcNow().UtcDateTime;
        await host.Client.UnaryAsync(new Note(), deadline: now.AddHours(1), cancellationToken: Token);

        var deadline = await seen.Task;
        deadline.Kind.ShouldBe(DateTimeKind.Utc);
        deadline.ShouldBeGreaterThan(now);
        deadline.ShouldBeLessThan(DateTime.MaxValue);
    }

    [Fact]
    public async Task NoDeadline_HandlerSeesTheLargestDate()
    {
        var seen = new TaskCompletionSource<DateTime>();
        await using var host = await EchoHost.StartAsync(Reports(seen));

        await host.Client.UnaryAsync(new Note(), cancellationToken: Token);

        (await seen.Task).ShouldBe(DateTime.MaxValue);
    }

    [Fact]
    public async Task DeadlinePasses_WhileTheHandlerWorks_ClientGetsDeadlineExceeded()
    {
        await using var host = await EchoHost.StartAsync(WaitsForCancellation());

        var exception = await Should.ThrowAsync<RpcException>(async () => await host.Client.UnaryAsync(
            new Note(), deadline: Clock.GetUtcNow().UtcDateTime.AddMilliseconds(200), cancellationToken: Token));

        exception.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
    }

    [Fact]
    public async Task DeadlinePasses_WhileAStreamIsOpen_ReadFailsWithDeadlineExceeded()
    {
        await using var host = await EchoHost.StartAsync(WaitsForCancellation());

        using var call = host.Client.Expand(
            new Note(), deadline: Clock.GetUtcNow().UtcDateTime.AddMilliseconds(200), cancellationToken: Token);
        var exception = await Should.ThrowAsync<RpcException>(() => call.ResponseStream.MoveNext(Token));

        exception.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        call.GetStatus().StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
    }

    private static ScriptedEcho Reports(TaskCompletionSource<DateTime> deadline) => new()
    {
        OnUnary = (request, context) =>
        {
            deadline.SetResult(context.Deadline);
            return Task.FromResult(request);
        },
    };

    private static ScriptedEcho WaitsForCancellation() => new()
    {
        OnUnary = async (request, context) =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, Clock, context.CancellationToken);
            return request;
        },
        OnExpand = (_, _, context) => Task.Delay(Timeout.InfiniteTimeSpan, Clock, context.CancellationToken),
    };
}
