using Grpc.Core.Interceptors;

namespace GrpcStandIns.Tests.EndToEnd;

public class ClientInterceptorTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task HeaderFunction_AddsAHeader_EveryKindOfCallCarriesIt()
    {
        await using var host = await EchoHost.StartAsync(EchoesHeader());
        var client = new Echo.EchoClient(host.Channel.Intercept(headers =>
        {
            headers.Add("tenant", "blue");
            return headers;
        }));

        (await client.UnaryAsync(new Note(), cancellationToken: Token)).Text.ShouldBe("blue");

        using var collect = client.Collect(cancellationToken: Token);
        await collect.RequestStream.CompleteAsync();
        (await collect).Text.ShouldBe("blue");

        using var expand = client.Expand(new Note(), cancellationToken: Token);
        (await expand.ResponseStream.ReadAllAsync(Token).SingleAsync(Token)).Text.ShouldBe("blue");

        using var chat = client.Chat(cancellationToken: Token);
        await chat.RequestStream.CompleteAsync();
        (await chat.ResponseStream.ReadAllAsync(Token).SingleAsync(Token)).Text.ShouldBe("blue");
    }

    [Fact]
    public async Task Interceptor_WrapsTheResponse_CallerGetsTheWrappedOne()
    {
        await using var host = await EchoHost.StartAsync(EchoesHeader());
        var client = new Echo.EchoClient(host.Channel.Intercept(new Shouting()));

        using var call = client.UnaryAsync(new Note(), new Metadata { { "tenant", "blue" } }, cancellationToken: Token);

        (await call).Text.ShouldBe("BLUE");
        (await call.ResponseHeadersAsync).ShouldNotBeNull();
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
        call.GetTrailers().ShouldBeEmpty();
    }

    [Fact]
    public async Task Interceptor_AnswersItself_NothingIsSent()
    {
        var handlerRan = false;
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnUnary = (request, _) =>
            {
                handlerRan = true;
                return Task.FromResult(request);
            },
        });
        var client = new Echo.EchoClient(host.Channel.Intercept(new Failing()));

        var exception = await Should.ThrowAsync<RpcException>(
            async () => await client.UnaryAsync(new Note(), cancellationToken: Token));

        exception.StatusCode.ShouldBe(StatusCode.FailedPrecondition);
        handlerRan.ShouldBeFalse();
    }

    private static ScriptedEcho EchoesHeader() => new()
    {
        OnUnary = (_, context) => Task.FromResult(TenantOf(context)),
        OnCollect = (_, context) => Task.FromResult(TenantOf(context)),
        OnExpand = (_, responses, context) => responses.WriteAsync(TenantOf(context), context.CancellationToken),
        OnChat = (_, responses, context) => responses.WriteAsync(TenantOf(context), context.CancellationToken),
    };

    private static Note TenantOf(ServerCallContext context) =>
        new() { Text = context.RequestHeaders.GetValue("tenant") ?? "none" };

    private sealed class Shouting : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            var call = continuation(request, context);
            return new AsyncUnaryCall<TResponse>(
                ShoutAsync(call.ResponseAsync),
                call.ResponseHeadersAsync,
                call.GetStatus,
                call.GetTrailers,
                call.Dispose);
        }

        private static async Task<TResponse> ShoutAsync<TResponse>(Task<TResponse> response)
        {
            var answer = await response;
            if (answer is Note note) note.Text = note.Text.ToUpperInvariant();
            return answer;
        }
    }

    private sealed class Failing : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncUnaryCallContinuation<TRequest, TResponse> continuation) =>
            throw new RpcException(new Status(StatusCode.FailedPrecondition, "not now"));
    }
}
