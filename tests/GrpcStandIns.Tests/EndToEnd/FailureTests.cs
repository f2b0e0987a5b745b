using Grpc.Net.Client;

namespace GrpcStandIns.Tests.EndToEnd;

public class FailureTests
{
    private static readonly Status Exhausted = new(StatusCode.ResourceExhausted, "queue is full, grüße");
    private static readonly byte[] Bytes = [1, 2, 3];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task UnaryHandler_ThrowsRpcException_ClientGetsStatusAndTrailers()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnUnary = (_, _) =>
                throw new RpcException(Exhausted, new Metadata { { "retry", "no" }, { "why-bin", Bytes } }),
        });

        var exception = await Should.ThrowAsync<RpcException>(
            async () => await host.Client.UnaryAsync(new Note(), cancellationToken: Token));

        exception.StatusCode.ShouldBe(Exhausted.StatusCode);
        exception.Status.Detail.ShouldBe(Exhausted.Detail);
        exception.Trailers.GetValue("retry").ShouldBe("no");
        exception.Trailers.GetValueBytes("why-bin").ShouldBe(Bytes);
    }

    [Fact]
    public async Task StreamingHandler_ThrowsAfterAMessage_ClientReadsTheMessageThenFails()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnExpand = async (_, responses, context) =>
            {
                await responses.WriteAsync(new Note { Text = "one" }, context.CancellationToken);
                throw new RpcException(Exhausted, new Metadata { { "retry", "no" } });
            },
        });

        using var call = host.Client.Expand(new Note(), cancellationToken: Token);
        (await call.ResponseStream.MoveNext(Token)).ShouldBeTrue();
        var exception = await Should.ThrowAsync<RpcException>(() => call.ResponseStream.MoveNext(Token));

        exception.StatusCode.ShouldBe(Exhausted.StatusCode);
        exception.Trailers.GetValue("retry").ShouldBe("no");
        call.GetStatus().Detail.ShouldBe(Exhausted.Detail);
        call.GetTrailers().GetValue("retry").ShouldBe("no");
    }

    [Fact]
    public async Task Handler_SetsTheStatusAndReturns_ClientGetsThatStatus()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnExpand = (_, _, context) =>
            {
                context.Status = Exhausted;
                return Task.CompletedTask;
            },
        });

        using var call = host.Client.Expand(new Note(), cancellationToken: Token);
        var exception = await Should.ThrowAsync<RpcException>(() => call.ResponseStream.MoveNext(Token));

        exception.StatusCode.ShouldBe(Exhausted.StatusCode);
        exception.Status.Detail.ShouldBe(Exhausted.Detail);
    }

    [Fact]
    public async Task Handler_ThrowsAnythingElse_ClientGetsUnknownWithoutTheMessage()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnUnary = (_, _) => throw new InvalidOperationException("secret"),
        });

        var exception = await Should.ThrowAsync<RpcException>(
            async () => await host.Client.UnaryAsync(new Note(), cancellationToken: Token));

        exception.StatusCode.ShouldBe(StatusCode.Unknown);
        exception.Status.Detail.ShouldNotContain("secret");
    }

    [Fact]
    public async Task MethodNotOverridden_ClientGetsUnimplemented()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho());

        var exception = await Should.ThrowAsync<RpcException>(
            async () => await host.Client.UnaryAsync(new Note(), cancellationToken: Token));

        exception.StatusCode.ShouldBe(StatusCode.Unimplemented);
    }

    [Fact]
    public async Task ServerStopped_ClientGetsUnavailableWithTheCause()
    {
        var host = await EchoHost.StartAsync(new ScriptedEcho());
        using var channel = GrpcChannel.ForAddress($"http://{host.Channel.Target}");
        await host.DisposeAsync();

        var exception = await Should.ThrowAsync<RpcException>(
            async () => await new Echo.EchoClient(channel).UnaryAsync(new Note(), cancellationToken: Token));

        exception.StatusCode.ShouldBe(StatusCode.Unavailable);
        exception.Status.DebugException.ShouldNotBeNull();
        exception.InnerException.ShouldBeSameAs(exception.Status.DebugException);
    }
}
