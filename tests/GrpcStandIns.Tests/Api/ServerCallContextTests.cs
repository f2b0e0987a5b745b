namespace GrpcStandIns.Tests.Api;

public class ServerCallContextTests
{
    [Fact]
    public void PublicMembers_ComeFromTheImplementation()
    {
        var context = new FakeContext();

        context.Method.ShouldBe("/Greeter/Hello");
        context.Host.ShouldBe("host");
        context.Peer.ShouldBe("ipv4:127.0.0.1:5000");
        context.Deadline.ShouldBe(DateTime.MaxValue);
        context.RequestHeaders.ShouldBeSameAs(context.Headers);
        context.ResponseTrailers.ShouldBeSameAs(context.Trailers);
        context.CancellationToken.ShouldBe(context.Source.Token);
        context.AuthContext.IsPeerAuthenticated.ShouldBeFalse();
    }

    [Fact]
    public void StatusAndWriteOptions_AreSetOnTheImplementation()
    {
        var status = new Status(StatusCode.Aborted, "lost");
        var context = new FakeContext { Status = status, WriteOptions = WriteOptions.Default };

        context.Status.ShouldBe(status);
        context.WriteOptions.ShouldBeSameAs(WriteOptions.Default);
    }

    [Fact]
    public void UserState_KeepsWhatWasLeftInIt()
    {
        var context = new FakeContext();

        context.UserState["key"] = "value";

        context.UserState["key"].ShouldBe("value");
        new FakeContext().UserState.ShouldBeEmpty();
    }

    [Fact]
    public async Task WriteResponseHeaders_HandsThemToTheImplementation()
    {
        var context = new FakeContext();
        var headers = new Metadata();

        await context.WriteResponseHeadersAsync(headers);

        context.WrittenHeaders.ShouldBeSameAs(headers);
    }

    [Fact]
    public void CreatePropagationToken_HandsTheOptionsToTheImplementation()
    {
        var context = new FakeContext();
        var options = new ContextPropagationOptions(propagateDeadline: false);

        Should.Throw<NotSupportedException>(() => context.CreatePropagationToken(options));

        context.PropagationOptions.ShouldBeSameAs(options);
    }

    [Fact]
    public void PropagationOptions_TakeOverEverythingByDefault()
    {
        ContextPropagationOptions.Default.IsPropagateDeadline.ShouldBeTrue();
        ContextPropagationOptions.Default.IsPropagateCancellation.ShouldBeTrue();
        new ContextPropagationOptions(propagateDeadline: false).IsPropagateDeadline.ShouldBeFalse();
        new ContextPropagationOptions(propagateCancellation: false).IsPropagateCancellation.ShouldBeFalse();
    }

    private sealed class FakeContext : ServerCallContext
    {
        public Metadata Headers { get; } = [];

        public Metadata Trailers { get; } = [];

        public CancellationTokenSource Source { get; } = new();

        public Metadata? WrittenHeaders { get; private set; }

        public ContextPropagationOptions? PropagationOptions { get; private set; }

        protected override string MethodCore => "/Greeter/Hello";

        protected override string HostCore => "host";

        protected override string PeerCore => "ipv4:127.0.0.1:5000";

        protected override DateTime DeadlineCore => DateTime.MaxValue;

        protected override Metadata RequestHeadersCore => Headers;

        protected override CancellationToken CancellationTokenCore => Source.Token;

        protected override Metadata ResponseTrailersCore => Trailers;

        protected override Status StatusCore { get; set; }

        protected override WriteOptions? WriteOptionsCore { get; set; }

        protected override AuthContext AuthContextCore { get; } = new(null, []);

        protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders)
        {
            WrittenHeaders = responseHeaders;
            return Task.CompletedTask;
        }

        protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options)
        {
            PropagationOptions = options;
            throw new NotSupportedException();
        }
    }
}
