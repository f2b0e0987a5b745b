using Grpc.Core.Interceptors;

namespace GrpcStandIns.Tests.Api;

public class ClientInterceptorTests
{
    private readonly RecordingInvoker _invoker = new();
    private readonly List<string> _order = [];

    [Fact]
    public void NoOverrides_LetsEveryCallThrough()
    {
        EveryKind.Call(new Echo.EchoClient(_invoker.Intercept(new PassThrough())));

        _invoker.Calls.Select(call => call.Method).ShouldBe(EveryKind.Names);
    }

    [Fact]
    public void OneInterceptor_SeesEveryKindOfCall()
    {
        EveryKind.Call(new Echo.EchoClient(_invoker.Intercept(new Named("a", _order))));

        _order.ShouldBe(["a:Blocking", "a:Unary", "a:Expand", "a:Collect", "a:Chat"]);
        _invoker.Calls.Select(call => call.Method).ShouldBe(EveryKind.Names);
    }

    [Fact]
    public void SeveralAtOnce_FirstSeesTheCallFirst()
    {
        var client = new Echo.EchoClient(_invoker.Intercept(new Named("a", _order), new Named("b", _order)));

        client.Expand(new Note(), default(CallOptions)).Dispose();

        _order.ShouldBe(["a:Expand", "b:Expand"]);
    }

    [Fact]
    public void AddedOneByOne_LastSeesTheCallFirst()
    {
        var client = new Echo.EchoClient(_invoker.Intercept(new Named("a", _order)).Intercept(new Named("b", _order)));

        client.Expand(new Note(), default(CallOptions)).Dispose();

        _order.ShouldBe(["b:Expand", "a:Expand"]);
    }

    [Fact]
    public void NoInterceptors_CallsGoStraightThrough()
    {
        EveryKind.Call(new Echo.EchoClient(_invoker.Intercept()));

        _invoker.Calls.Select(call => call.Method).ShouldBe(EveryKind.Names);
    }

    [Fact]
    public void HeaderFunction_NoHeaders_GetsAnEmptyListAndReplacesIt()
    {
        var replacement = new Metadata { { "key", "value" } };
        var invoker = _invoker.Intercept(headers =>
        {
            headers.ShouldBeEmpty();
            return replacement;
        });

        EveryKind.Call(new Echo.EchoClient(invoker));

        _invoker.Calls.Count.ShouldBe(5);
        _invoker.Calls.ShouldAllBe(call => call.Options.Headers == replacement);
    }

    [Fact]
    public void HeaderFunction_HeadersGiven_GetsThemAndKeepsTheOtherOptions()
    {
        var given = new Metadata { { "key", "value" } };
        var invoker = _invoker.Intercept(headers => new Metadata { headers[0], { "added", "too" } });

        EveryKind.Call(new Echo.EchoClient(invoker), new CallOptions(given).WithWaitForReady());

        _invoker.Calls.Count.ShouldBe(5);
        foreach (var call in _invoker.Calls)
        {
            call.Options.Headers.ShouldNotBeNull().Select(entry => entry.Key).ShouldBe(["key", "added"]);
            call.Options.IsWaitForReady.ShouldBeTrue();
        }
    }

    [Fact]
    public void ChannelOverloads_InterceptTheChannelsInvoker()
    {
        var channel = new FakeChannel(_invoker);

        CallInvoker[] invokers =
        [
            channel.Intercept(new Named("a", _order)),
            channel.Intercept(new Named("b", _order), new Named("c", _order)),
            channel.Intercept(_ => []),
        ];
        foreach (var invoker in invokers)
            new Echo.EchoClient(invoker).Expand(new Note(), default(CallOptions)).Dispose();

        _order.ShouldBe(["a:Expand", "b:Expand", "c:Expand"]);
        _invoker.Calls.Count.ShouldBe(3);
        _invoker.Calls[^1].Options.Headers.ShouldNotBeNull();
    }

    [Fact]
    public void Interceptor_ChangesTheCall_InvokerGetsTheChange()
    {
        var client = new Echo.EchoClient(_invoker.Intercept(new HostSetter()));

        client.Expand(new Note(), default(CallOptions)).Dispose();

        _invoker.Calls.Single().Host.ShouldBe("changed");
    }

    [Fact]
    public void NullArguments_AreRefused()
    {
        Should.Throw<ArgumentNullException>(() => _invoker.Intercept((Interceptor)null!));
        Should.Throw<ArgumentNullException>(() => _invoker.Intercept((Interceptor[])null!));
        Should.Throw<ArgumentNullException>(() => _invoker.Intercept((Func<Metadata, Metadata>)null!));
        Should.Throw<ArgumentNullException>(() => ((CallInvoker)null!).Intercept(new PassThrough()));
    }

    private sealed class PassThrough : Interceptor;

    private sealed class HostSetter : Interceptor
    {
        public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncServerStreamingCallContinuation<TRequest, TResponse> continuation) =>
            continuation(request, new(context.Method, "changed", context.Options));
    }

    private sealed class FakeChannel(CallInvoker invoker) : ChannelBase("target")
    {
        public override CallInvoker CreateCallInvoker() => invoker;
    }

    private sealed class Named(string name, List<string> order) : Interceptor
    {
        public override TResponse BlockingUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            BlockingUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            order.Add($"{name}:Blocking");
            return continuation(request, context);
        }

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            order.Add($"{name}:{context.Method.Name}");
            return continuation(request, context);
        }

        public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncServerStreamingCallContinuation<TRequest, TResponse> continuation)
        {
            order.Add($"{name}:{context.Method.Name}");
            return continuation(request, context);
        }

        public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncClientStreamingCallContinuation<TRequest, TResponse> continuation)
        {
            order.Add($"{name}:{context.Method.Name}");
            return continuation(context);
        }

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation)
        {
            order.Add($"{name}:{context.Method.Name}");
            return continuation(context);
        }
    }
}
