namespace GrpcStandIns.Tests.Api;

public class ClientBaseTests
{
    [Fact]
    public void GeneratedClient_CallsItsInvokerForEveryKind()
    {
        var invoker = new RecordingInvoker();

        EveryKind.Call(new Echo.EchoClient(invoker));

        invoker.Calls.Select(call => call.Method).ShouldBe(EveryKind.Names);
        invoker.Calls.ShouldAllBe(call => call.Host == null);
    }

    [Fact]
    public void GeneratedClient_OnAChannel_UsesTheChannelsInvoker()
    {
        var channel = new FakeChannel("dns:///service");

        EveryKind.Call(new Echo.EchoClient(channel));

        channel.Invoker.Calls.Count.ShouldBe(EveryKind.Names.Length);
        channel.Target.ShouldBe("dns:///service");
    }

    [Fact]
    public void WithHost_EveryCallAsksForThatHost()
    {
        var invoker = new RecordingInvoker();
        var original = new Echo.EchoClient(invoker);

        EveryKind.Call(original.WithHost("first").WithHost("other"));
        EveryKind.Call(original);

        invoker.Calls.Take(5).ShouldAllBe(call => call.Host == "other");
        invoker.Calls.Skip(5).ShouldAllBe(call => call.Host == null);
    }

    [Fact]
    public async Task TestDouble_OverridesOneMethod_OthersAreNotImplemented()
    {
        var client = new OneMethodClient();

        (await client.UnaryAsync(new Note { Text = "hello" }, default(CallOptions))).Text.ShouldBe("faked");
        Should.Throw<NotImplementedException>(() => client.Unary(new Note(), default(CallOptions)));
        Should.Throw<NotImplementedException>(() => client.Expand(new Note(), default(CallOptions)));
        Should.Throw<NotImplementedException>(() => client.Collect(default(CallOptions)));
        Should.Throw<NotImplementedException>(() => client.Chat(default(CallOptions)));
    }

    [Fact]
    public void LiteClient_HandsItsInvokerToItsMethods()
    {
        var invoker = new RecordingInvoker();

        new FakeLiteClient(invoker).Invoker.ShouldBeSameAs(invoker);
        new FakeLiteClient().Invoker.ShouldNotBeNull();
    }

    [Fact]
    public void NullArguments_AreRefused()
    {
        Should.Throw<ArgumentNullException>(() => new Echo.EchoClient((CallInvoker)null!));
        Should.Throw<ArgumentNullException>(() => new FakeChannel(null!));
    }

    [Fact]
    public async Task Shutdown_ImplementationHasNothingToDo_IsDoneAtOnce()
    {
        var shutdown = new FakeChannel("target").ShutdownAsync();

        shutdown.IsCompletedSuccessfully.ShouldBeTrue();
        await shutdown;
    }

    private sealed class FakeChannel(string target) : ChannelBase(target)
    {
        public RecordingInvoker Invoker { get; } = new();

        public override CallInvoker CreateCallInvoker() => Invoker;
    }

    private sealed class FakeLiteClient : LiteClientBase
    {
        public FakeLiteClient(CallInvoker callInvoker)
            : base(callInvoker)
        {
        }

        public FakeLiteClient()
        {
        }

        public CallInvoker Invoker => CallInvoker;
    }

    private sealed class OneMethodClient : Echo.EchoClient
    {
        public override AsyncUnaryCall<Note> UnaryAsync(Note request, CallOptions options) => new(
            Task.FromResult(new Note { Text = "faked" }),
            Task.FromResult(Metadata.Empty),
            () => Status.DefaultSuccess,
            () => Metadata.Empty,
            () => { });
    }
}
