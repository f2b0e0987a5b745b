namespace GrpcStandIns.Tests.EndToEnd;

public class ServiceDefinitionTests
{
    private static readonly Marshaller<string> Text = Marshallers.StringMarshaller;
    private static readonly Method<string, string> Unary = Make(MethodType.Unary, "Unary");
    private static readonly Method<string, string> Collect = Make(MethodType.ClientStreaming, "Collect");
    private static readonly Method<string, string> Expand = Make(MethodType.ServerStreaming, "Expand");
    private static readonly Method<string, string> Chat = Make(MethodType.DuplexStreaming, "Chat");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static CallOptions Options => new(cancellationToken: Token);

    [Fact]
    public async Task HandWrittenDefinition_ServesEveryKindOfCall()
    {
        await using var host = await EchoHost.StartAsync(Definition());
        var invoker = host.Channel.CreateCallInvoker();

        (await invoker.AsyncUnaryCall(Unary, host: null, Options, "one")).ShouldBe("re: one");

        using var collect = invoker.AsyncClientStreamingCall(Collect, host: null, Options);
        await collect.RequestStream.WriteAsync("one", Token);
        await collect.RequestStream.WriteAsync("two", Token);
        await collect.RequestStream.CompleteAsync();
        (await collect).ShouldBe("one two");

        using var expand = invoker.AsyncServerStreamingCall(Expand, host: null, Options, "one two");
        (await expand.ResponseStream.ReadAllAsync(Token).ToListAsync(Token)).ShouldBe(["one", "two"]);

        using var chat = invoker.AsyncDuplexStreamingCall(Chat, host: null, Options);
        await chat.RequestStream.WriteAsync("one", Token);
        (await chat.ResponseStream.MoveNext(Token)).ShouldBeTrue();
        chat.ResponseStream.Current.ShouldBe("re: one");
        await chat.RequestStream.CompleteAsync();
        (await chat.ResponseStream.MoveNext(Token)).ShouldBeFalse();
    }

    private static ServerServiceDefinition Definition() => ServerServiceDefinition.CreateBuilder()
        .AddMethod(Unary, AnswerAsync)
        .AddMethod(Collect, JoinAsync)
        .AddMethod(Expand, SplitAsync)
        .AddMethod(Chat, ChatAsync)
        .Build();

    private static Method<string, string> Make(MethodType type, string name) => new(type, "Text", name, Text, Text);

    private static Task<string> AnswerAsync(string request, ServerCallContext context) =>
        Task.FromResult($"re: {request}");

    private static async Task<string> JoinAsync(IAsyncStreamReader<string> requests, ServerCallContext context) =>
        string.Join(' ', await requests.ReadAllAsync(context.CancellationToken).ToListAsync());

    private static async Task SplitAsync(
        string request,
        IServerStreamWriter<string> responses,
        ServerCallContext context)
    {
        foreach (var word in request.Split(' ')) await responses.WriteAsync(word, context.CancellationToken);
    }

    private static async Task ChatAsync(
        IAsyncStreamReader<string> requests,
        IServerStreamWriter<string> responses,
        ServerCallContext context)
    {
        await foreach (var request in requests.ReadAllAsync(context.CancellationToken))
            await responses.WriteAsync($"re: {request}", context.CancellationToken);
    }
}
