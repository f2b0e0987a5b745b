namespace GrpcStandIns.Tests.EndToEnd;

public class CallKindTests
{
    private static readonly string[] Words = ["one", "two", "three"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task UnaryCall_HandlerAnswers_ReturnsTheAnswer()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnUnary = (request, _) => Task.FromResult(new Note { Text = $"re: {request.Text}" }),
        });

        var reply = await host.Client.UnaryAsync(new Note { Text = "hello" }, cancellationToken: Token);

        reply.Text.ShouldBe("re: hello");
    }

    [Fact]
    public async Task BlockingUnaryCall_HandlerAnswers_ReturnsTheAnswer()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnUnary = (request, _) => Task.FromResult(new Note { Text = $"re: {request.Text}" }),
        });

        // The generated blocking method is what is under test.
#pragma warning disable CA1849, MA0042, VSTHRD103
        var reply = host.Client.Unary(new Note { Text = "hello" }, cancellationToken: Token);
#pragma warning restore CA1849, MA0042, VSTHRD103

        reply.Text.ShouldBe("re: hello");
    }

    [Fact]
    public async Task ServerStreamingCall_HandlerWritesThreeMessages_ClientReadsThemInOrder()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnExpand = async (request, responses, context) =>
            {
                foreach (var word in request.Text.Split(' '))
                    await responses.WriteAsync(new Note { Text = word }, context.CancellationToken);
            },
        });

        using var call = host.Client.Expand(new Note { Text = "one two three" }, cancellationToken: Token);
        var received = await call.ResponseStream.ReadAllAsync(Token).Select(note => note.Text).ToListAsync(Token);

        received.ShouldBe(Words);
        call.GetStatus().ShouldBe(Status.DefaultSuccess);
    }

    [Fact]
    public async Task ClientStreamingCall_ClientWritesThreeMessages_HandlerReadsThemInOrder()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnCollect = async (requests, context) =>
            {
                var notes = await requests.ReadAllAsync(context.CancellationToken).ToListAsync();
                return new Note { Text = string.Join(' ', notes.Select(note => note.Text)) };
            },
        });

        using var call = host.Client.Collect(cancellationToken: Token);
        foreach (var word in Words) await call.RequestStream.WriteAsync(new Note { Text = word }, Token);
        await call.RequestStream.CompleteAsync();
        var reply = await call;

        reply.Text.ShouldBe("one two three");
    }

    [Fact]
    public async Task DuplexCall_EachRequestIsAnswered_StreamsInterleave()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnChat = async (requests, responses, context) =>
            {
                await foreach (var request in requests.ReadAllAsync(context.CancellationToken))
                    await responses.WriteAsync(new Note { Text = $"re: {request.Text}" }, context.CancellationToken);
            },
        });

        using var call = host.Client.Chat(cancellationToken: Token);
        foreach (var word in Words)
        {
            await call.RequestStream.WriteAsync(new Note { Text = word }, Token);
            (await call.ResponseStream.MoveNext()).ShouldBeTrue();
            call.ResponseStream.Current.Text.ShouldBe($"re: {word}");
        }

        await call.RequestStream.CompleteAsync();
        (await call.ResponseStream.MoveNext(Token)).ShouldBeFalse();
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }
}
