namespace GrpcStandIns.Tests.EndToEnd;

public class HeaderAndTrailerTests
{
    private static readonly byte[] Bytes = [0, 1, 254, 255];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RequestHeaders_TextBinaryAndRepeated_ReachTheHandler()
    {
        var seen = new TaskCompletionSource<Metadata>();
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnUnary = (request, context) =>
            {
                seen.SetResult(context.RequestHeaders);
                return Task.FromResult(request);
            },
        });

        var headers = new Metadata { { "Trace-Id", "7" }, { "Trace-Bin", Bytes }, { "tag", "a" }, { "tag", "b" } };
        await host.Client.UnaryAsync(new Note(), headers, cancellationToken: Token);

        var received = await seen.Task;
        received.GetValue("trace-id").ShouldBe("7");
        received.GetValueBytes("trace-bin").ShouldBe(Bytes);
        string.Join(',', received.GetAll("tag").Select(entry => entry.Value.Replace(" ", "", StringComparison.Ordinal)))
            .ShouldBe("a,b");
    }

    [Fact]
    public async Task ResponseHeaders_WrittenBeforeTheFirstMessage_ArriveBeforeIt()
    {
        var mayFinish = new TaskCompletionSource();
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnExpand = async (_, _, context) =>
            {
                await context.WriteResponseHeadersAsync(new Metadata { { "model", "tiny" } });
                await mayFinish.Task;
            },
        });

        using var call = host.Client.Expand(new Note(), cancellationToken: Token);
        var headers = await call.ResponseHeadersAsync;
        headers.GetValue("model").ShouldBe("tiny");

        mayFinish.SetResult();
        (await call.ResponseStream.MoveNext(Token)).ShouldBeFalse();
    }

    [Fact]
    public async Task Trailers_SetByTheHandler_ReachTheClientAfterTheStream()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnExpand = async (_, responses, context) =>
            {
                await responses.WriteAsync(new Note { Text = "one" }, context.CancellationToken);
                context.ResponseTrailers.Add("tokens", "1");
                context.ResponseTrailers.Add("usage-bin", Bytes);
            },
        });

        using var call = host.Client.Expand(new Note(), cancellationToken: Token);
        (await call.ResponseStream.ReadAllAsync(Token).CountAsync(Token)).ShouldBe(1);

        call.GetTrailers().GetValue("tokens").ShouldBe("1");
        call.GetTrailers().GetValueBytes("usage-bin").ShouldBe(Bytes);
    }

    [Fact]
    public async Task Trailers_BeforeTheCallEnds_AreRefused()
    {
        var mayFinish = new TaskCompletionSource();
        await using var host = await EchoHost.StartAsync(new ScriptedEcho { OnExpand = (_, _, _) => mayFinish.Task });

        using var call = host.Client.Expand(new Note(), cancellationToken: Token);

        Should.Throw<InvalidOperationException>(() => call.GetTrailers());
        Should.Throw<InvalidOperationException>(() => call.GetStatus());
        mayFinish.SetResult();
    }
}
