using Grpc.AspNetCore.Server;
using Grpc.Core.Interceptors;

namespace GrpcStandIns.Tests.EndToEnd;

public class ServerInterceptorTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Interceptor_StandsAroundEveryKindOfHandler()
    {
        await using var host = await EchoHost.StartAsync(
            EchoesUserState(),
            server => server.Interceptors.Add<Marking>());

        (await host.Client.UnaryAsync(new Note(), cancellationToken: Token)).Text.ShouldBe("marked");

        using var collect = host.Client.Collect(cancellationToken: Token);
        await collect.RequestStream.CompleteAsync();
        (await collect).Text.ShouldBe("marked");

        using var expand = host.Client.Expand(new Note(), cancellationToken: Token);
        (await expand.ResponseStream.ReadAllAsync(Token).SingleAsync(Token)).Text.ShouldBe("marked");

        using var chat = host.Client.Chat(cancellationToken: Token);
        await chat.RequestStream.CompleteAsync();
        (await chat.ResponseStream.ReadAllAsync(Token).SingleAsync(Token)).Text.ShouldBe("marked");
    }

    [Fact]
    public async Task InterceptorWithoutOverrides_LetsEveryKindThrough()
    {
        await using var host = await EchoHost.StartAsync(
            EchoesUserState(),
            server => AddTwo<PassThrough, Marking>(server.Interceptors));

        (await host.Client.UnaryAsync(new Note(), cancellationToken: Token)).Text.ShouldBe("marked");

        using var collect = host.Client.Collect(cancellationToken: Token);
        await collect.RequestStream.CompleteAsync();
        (await collect).Text.ShouldBe("marked");

        using var expand = host.Client.Expand(new Note(), cancellationToken: Token);
        (await expand.ResponseStream.ReadAllAsync(Token).SingleAsync(Token)).Text.ShouldBe("marked");

        using var chat = host.Client.Chat(cancellationToken: Token);
        await chat.RequestStream.CompleteAsync();
        (await chat.ResponseStream.ReadAllAsync(Token).SingleAsync(Token)).Text.ShouldBe("marked");
    }

    [Fact]
    public async Task Interceptor_RefusesTheCall_HandlerNeverRuns()
    {
        var handlerRan = false;
        var service = new ScriptedEcho
        {
            OnUnary = (request, _) =>
            {
                handlerRan = true;
                return Task.FromResult(request);
            },
        };
        await using var host = await EchoHost.StartAsync(service, server => server.Interceptors.Add<Refusing>());

        var exception = await Should.ThrowAsync<RpcException>(
            async () => await host.Client.UnaryAsync(new Note(), cancellationToken: Token));

        exception.StatusCode.ShouldBe(StatusCode.PermissionDenied);
        exception.Trailers.GetValue("method").ShouldBe("/grpcstandins.tests.Echo/Unary");
        handlerRan.ShouldBeFalse();
    }

    private static void AddTwo<TFirst, TSecond>(InterceptorCollection interceptors)
        where TFirst : Interceptor
        where TSecond : Interceptor
    {
        interceptors.Add<TFirst>();
        interceptors.Add<TSecond>();
    }

    private static ScriptedEcho EchoesUserState() => new()
    {
        OnUnary = (_, context) => Task.FromResult(MarkOf(context)),
        OnCollect = (_, context) => Task.FromResult(MarkOf(context)),
        OnExpand = (_, responses, context) => responses.WriteAsync(MarkOf(context), context.CancellationToken),
        OnChat = (_, responses, context) => responses.WriteAsync(MarkOf(context), context.CancellationToken),
    };

    private static Note MarkOf(ServerCallContext context) => new() { Text = (string)context.UserState["mark"] };

    private sealed class PassThrough : Interceptor;

    private sealed class Refusing : Interceptor
    {
        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request,
            ServerCallContext context,
            UnaryServerMethod<TRequest, TResponse> continuation) =>
            throw new RpcException(
                new Status(StatusCode.PermissionDenied, "not you"),
                new Metadata { { "method", context.Method } });
    }

    private sealed class Marking : Interceptor
    {
        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request,
            ServerCallContext context,
            UnaryServerMethod<TRequest, TResponse> continuation)
        {
            context.UserState["mark"] = "marked";
            return continuation(request, context);
        }

        public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream,
            ServerCallContext context,
            ClientStreamingServerMethod<TRequest, TResponse> continuation)
        {
            context.UserState["mark"] = "marked";
            return continuation(requestStream, context);
        }

        public override Task ServerStreamingServerHandler<TRequest, TResponse>(
            TRequest request,
            IServerStreamWriter<TResponse> responseStream,
            ServerCallContext context,
            ServerStreamingServerMethod<TRequest, TResponse> continuation)
        {
            context.UserState["mark"] = "marked";
            return continuation(request, responseStream, context);
        }

        public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream,
            IServerStreamWriter<TResponse> responseStream,
            ServerCallContext context,
            DuplexStreamingServerMethod<TRequest, TResponse> continuation)
        {
            context.UserState["mark"] = "marked";
            return continuation(requestStream, responseStream, context);
        }
    }
}
