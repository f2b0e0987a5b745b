namespace GrpcStandIns.Tests.EndToEnd;

public class CallCredentialsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Interceptor_AddsAToken_HandlerSeesIt()
    {
        var seen = new TaskCompletionSource<AuthInterceptorContext>();
        await using var host = await StartAsync();
        var credentials = CallCredentials.FromInterceptor((context, headers) =>
        {
            seen.SetResult(context);
            headers.Add("authorization", "Bearer 1");
            return Task.CompletedTask;
        });

        var reply = await host.Client.UnaryAsync(new Note(), Options(credentials));

        reply.Text.ShouldBe("Bearer 1");
        var context = await seen.Task;
        context.MethodName.ShouldBe("Unary");
        context.ServiceUrl.ShouldEndWith("/grpcstandins.tests.Echo");
    }

    [Fact]
    public async Task Composed_EachPartAddsItsHeader()
    {
        await using var host = await StartAsync();
        var first = CallCredentials.FromInterceptor((_, headers) => AddAsync(headers, "authorization", "Bearer 1"));
        var second = CallCredentials.FromInterceptor((_, headers) => AddAsync(headers, "tenant", "blue"));

        var reply = await host.Client.UnaryAsync(new Note(), Options(CallCredentials.Compose(first, second)));

        reply.Text.ShouldBe("Bearer 1 blue");
    }

    [Fact]
    public async Task InterceptorFails_CallFails()
    {
        await using var host = await StartAsync();
        var credentials = CallCredentials.FromInterceptor((_, _) => throw new InvalidOperationException("no token"));

        var exception = await Should.ThrowAsync<RpcException>(
            async () => await host.Client.UnaryAsync(new Note(), Options(credentials)));

        exception.StatusCode.ShouldNotBe(StatusCode.OK);
        exception.Status.DebugException.ShouldNotBeNull();
    }

    private static CallOptions Options(CallCredentials credentials) =>
        new(cancellationToken: Token, credentials: credentials);

    private static Task AddAsync(Metadata headers, string key, string value)
    {
        headers.Add(key, value);
        return Task.CompletedTask;
    }

    private static Task<EchoHost> StartAsync() => EchoHost.StartAsync(
        new ScriptedEcho
        {
            OnUnary = (_, context) =>
            {
                string?[] values =
                    [context.RequestHeaders.GetValue("authorization"), context.RequestHeaders.GetValue("tenant")];
                return Task.FromResult(new Note { Text = string.Join(' ', values.OfType<string>()) });
            },
        },
        client: client => client.UnsafeUseInsecureChannelCallCredentials = true);
}
