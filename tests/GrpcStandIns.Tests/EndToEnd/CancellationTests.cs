namespace GrpcStandIns.Tests.EndToEnd;

public class CancellationTests
{
    private readonly TaskCompletionSource _started = new();
    private readonly TaskCompletionSource _cancelled = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task UnaryCall_ClientCancels_HandlersTokenIsCancelled()
    {
        await using var host = await EchoHost.StartAsync(WaitsForCancellation());
        using var source = new CancellationTokenSource();

        using var call = host.Client.UnaryAsync(new Note(), cancellationToken: source.Token);
        await _started.Task.WaitAsync(Token);
        await source.CancelAsync();

        var exception = await Should.ThrowAsync<RpcException>(() => call.ResponseAsync);
        exception.StatusCode.ShouldBe(StatusCode.Cancelled);
        await _cancelled.Task.WaitAsync(Token);
    }

    [Fact]
    public async Task OpenStream_ClientCancels_ReadFailsAndHandlersTokenIsCancelled()
    {
        await using var host = await EchoHost.StartAsync(WaitsForCancellation());
        using var source = new CancellationTokenSource();

        using var call = host.Client.Expand(new Note(), cancellationToken: source.Token);
        await _started.Task.WaitAsync(Token);
        var read = call.ResponseStream.MoveNext(Token);
        await source.CancelAsync();

        var exception = await Should.ThrowAsync<RpcException>(() => read);
        exception.StatusCode.ShouldBe(StatusCode.Cancelled);
        await _cancelled.Task.WaitAsync(Token);
    }

    [Fact]
    public async Task OpenStream_OneReadIsCancelled_WholeCallIs()
    {
        await using var host = await EchoHost.StartAsync(WaitsForCancellation());
        using var source = new CancellationTokenSource();

        using var call = host.Client.Expand(new Note(), cancellationToken: Token);
        await _started.Task.WaitAsync(Token);
        var read = call.ResponseStream.MoveNext(source.Token);
        await source.CancelAsync();

        (await Should.ThrowAsync<RpcException>(() => read)).StatusCode.ShouldBe(StatusCode.Cancelled);
        await _cancelled.Task.WaitAsync(Token);
    }

    [Fact]
    public async Task OpenStream_ClientDisposesTheCall_HandlersTokenIsCancelled()
    {
        await using var host = await EchoHost.StartAsync(WaitsForCancellation());

        var call = host.Client.Expand(new Note(), cancellationToken: Token);
        await _started.Task.WaitAsync(Token);
        call.Dispose();

        await _cancelled.Task.WaitAsync(Token);
        call.GetStatus().StatusCode.ShouldBe(StatusCode.Cancelled);
    }

    [Fact]
    public async Task RequestStream_ClientCancels_HandlersReadEnds()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnCollect = async (requests, context) =>
            {
                try
                {
                    while (await requests.MoveNext(context.CancellationToken)) _started.TrySetResult();
                }
                finally
                {
                    // The client never ends its stream, so that only the cancellation can end the loop.
                    _cancelled.SetResult();
                }

                return new Note();
            },
        });
        using var source = new CancellationTokenSource();

        using var call = host.Client.Collect(cancellationToken: source.Token);
        await call.RequestStream.WriteAsync(new Note { Text = "one" }, Token);
        await _started.Task.WaitAsync(Token);
        await source.CancelAsync();

        (await Should.ThrowAsync<RpcException>(() => call.ResponseAsync)).StatusCode.ShouldBe(StatusCode.Cancelled);
        await _cancelled.Task.WaitAsync(Token);
    }

    private ScriptedEcho WaitsForCancellation() => new()
    {
        OnUnary = async (request, context) =>
        {
            await WaitAsync(context);
            return request;
        },
        OnExpand = (_, _, context) => WaitAsync(context),
    };

    private async Task WaitAsync(ServerCallContext context)
    {
        await using var registration = context.CancellationToken.Register(() => _cancelled.TrySetResult());
        _started.SetResult();
        await _cancelled.Task;
    }
}
