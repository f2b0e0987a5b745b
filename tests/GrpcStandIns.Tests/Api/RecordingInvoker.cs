namespace GrpcStandIns.Tests.Api;

/// <summary>Keeps what it was asked to call, and answers with an ended call.</summary>
internal sealed class RecordingInvoker : CallInvoker
{
    public List<(MethodType Kind, string Method, string? Host, CallOptions Options)> Calls { get; } = [];

    public override TResponse BlockingUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        Calls.Add((MethodType.Unary, method.Name, host, options));
        return default!;
    }

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        Calls.Add((MethodType.Unary, method.Name, host, options));
        return new(Task.FromResult<TResponse>(default!), Headers(), Ended, Trailers, () => { });
    }

    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        Calls.Add((MethodType.ServerStreaming, method.Name, host, options));
        return new(null!, Headers(), Ended, Trailers, () => { });
    }

    public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        Calls.Add((MethodType.ClientStreaming, method.Name, host, options));
        return new(null!, Task.FromResult<TResponse>(default!), Headers(), Ended, Trailers, () => { });
    }

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        Calls.Add((MethodType.DuplexStreaming, method.Name, host, options));
        return new(null!, null!, Headers(), Ended, Trailers, () => { });
    }

    private static Task<Metadata> Headers() => Task.FromResult(Metadata.Empty);

    private static Status Ended() => Status.DefaultSuccess;

    private static Metadata Trailers() => Metadata.Empty;
}
