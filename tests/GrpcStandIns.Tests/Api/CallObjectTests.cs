namespace GrpcStandIns.Tests.Api;

public class CallObjectTests
{
    private static readonly Status Ended = new(StatusCode.DataLoss, "lost");
    private readonly Metadata _headers = [];
    private readonly Metadata _trailers = [];
    private readonly FakeStream _stream = new();
    private readonly object _state = new();
    private readonly List<object> _disposed = [];

    [Fact]
    public async Task UnaryCall_WithoutState_HandsOutWhatItWasMadeOf()
    {
        var call = new AsyncUnaryCall<string>(
            Task.FromResult("answer"), Headers(), () => Ended, () => _trailers, OnDispose);

        (await call).ShouldBe("answer");
        (await call.ResponseAsync).ShouldBe("answer");
        (await call.ConfigureAwait(false)).ShouldBe("answer");
        await ShouldHandOutAsync(call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        _disposed.Count.ShouldBe(1);
    }

    [Fact]
    public async Task UnaryCall_WithState_PassesItToEveryCallback()
    {
        var call = new AsyncUnaryCall<string>(
            Task.FromResult("answer"), OnHeaders, OnStatus, OnTrailers, OnDispose, _state);

        (await call).ShouldBe("answer");
        await ShouldHandOutAsync(call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        _disposed.ShouldBe([_state]);
    }

    [Fact]
    public async Task UnaryCall_ResponseFails_AwaitThrows()
    {
        var failed = Task.FromException<string>(new RpcException(Ended));
        using var call = new AsyncUnaryCall<string>(failed, Headers(), () => Ended, () => _trailers, OnDispose);

        var exception = await Should.ThrowAsync<RpcException>(async () => await call);

        exception.Status.ShouldBe(Ended);
    }

    [Fact]
    public async Task ClientStreamingCall_WithoutState_HandsOutWhatItWasMadeOf()
    {
        var call = new AsyncClientStreamingCall<string, string>(
            _stream, Task.FromResult("answer"), Headers(), () => Ended, () => _trailers, OnDispose);

        call.RequestStream.ShouldBeSameAs(_stream);
        (await call).ShouldBe("answer");
        (await call.ResponseAsync).ShouldBe("answer");
        (await call.ConfigureAwait(false)).ShouldBe("answer");
        await ShouldHandOutAsync(call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        _disposed.Count.ShouldBe(1);
    }

    [Fact]
    public async Task ClientStreamingCall_WithState_PassesItToEveryCallback()
    {
        var call = new AsyncClientStreamingCall<string, string>(
            _stream, Task.FromResult("answer"), OnHeaders, OnStatus, OnTrailers, OnDispose, _state);

        call.RequestStream.ShouldBeSameAs(_stream);
        (await call).ShouldBe("answer");
        await ShouldHandOutAsync(call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        _disposed.ShouldBe([_state]);
    }

    [Fact]
    public async Task ServerStreamingCall_WithoutState_HandsOutWhatItWasMadeOf()
    {
        var call = new AsyncServerStreamingCall<string>(_stream, Headers(), () => Ended, () => _trailers, OnDispose);

        call.ResponseStream.ShouldBeSameAs(_stream);
        await ShouldHandOutAsync(call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        _disposed.Count.ShouldBe(1);
    }

    [Fact]
    public async Task ServerStreamingCall_WithState_PassesItToEveryCallback()
    {
        var call = new AsyncServerStreamingCall<string>(_stream, OnHeaders, OnStatus, OnTrailers, OnDispose, _state);

        call.ResponseStream.ShouldBeSameAs(_stream);
        await ShouldHandOutAsync(call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        _disposed.ShouldBe([_state]);
    }

    [Fact]
    public async Task DuplexCall_WithoutState_HandsOutWhatItWasMadeOf()
    {
        var call = new AsyncDuplexStreamingCall<string, string>(
            _stream, _stream, Headers(), () => Ended, () => _trailers, OnDispose);

        call.RequestStream.ShouldBeSameAs(_stream);
        call.ResponseStream.ShouldBeSameAs(_stream);
        await ShouldHandOutAsync(call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        _disposed.Count.ShouldBe(1);
    }

    [Fact]
    public async Task DuplexCall_WithState_PassesItToEveryCallback()
    {
        var call = new AsyncDuplexStreamingCall<string, string>(
            _stream, _stream, OnHeaders, OnStatus, OnTrailers, OnDispose, _state);

        call.RequestStream.ShouldBeSameAs(_stream);
        call.ResponseStream.ShouldBeSameAs(_stream);
        await ShouldHandOutAsync(call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        _disposed.ShouldBe([_state]);
    }

    private async Task ShouldHandOutAsync(
        Task<Metadata> headers,
        Func<Status> status,
        Func<Metadata> trailers,
        Action dispose)
    {
        (await headers).ShouldBeSameAs(_headers);
        status().ShouldBe(Ended);
        trailers().ShouldBeSameAs(_trailers);

        _disposed.ShouldBeEmpty();
        dispose();
    }

    private Task<Metadata> Headers() => Task.FromResult(_headers);

    private void OnDispose() => _disposed.Add("no state");

    private void OnDispose(object state) => _disposed.Add(state);

    private Task<Metadata> OnHeaders(object state)
    {
        state.ShouldBeSameAs(_state);
        return Headers();
    }

    private Status OnStatus(object state)
    {
        state.ShouldBeSameAs(_state);
        return Ended;
    }

    private Metadata OnTrailers(object state)
    {
        state.ShouldBeSameAs(_state);
        return _trailers;
    }
}
