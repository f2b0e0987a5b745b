namespace Grpc.Core;

/// <summary>Makes remote calls; generated clients go through it. Implementations are thread-safe.</summary>
public abstract class CallInvoker
{
    /// <summary>Calls a method of one request and one response, and blocks the thread until it has ended.</summary>
    /// <param name="method">The method.</param>
    /// <param name="host">The host to ask for, or null for the channel's own.</param>
    /// <param name="options">How the call is made.</param>
    /// <param name="request">The request.</param>
    /// <typeparam name="TRequest">The request message.</typeparam>
    /// <typeparam name="TResponse">The response message.</typeparam>
    /// <returns>The response.</returns>
    /// <exception cref="RpcException">The call failed.</exception>
    public abstract TResponse BlockingUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method,
        string? host,
        CallOptions options,
        TRequest request)
        where TRequest : class
        where TResponse : class;

    /// <summary>Starts a call of one request and one response.</summary>
    /// <param name="method">The method.</param>
    /// <param name="host">The host to ask for, or null for the channel's own.</param>
    /// <param name="options">How the call is made.</param>
    /// <param name="request">The request.</param>
    /// <typeparam name="TRequest">The request message.</typeparam>
    /// <typeparam name="TResponse">The response message.</typeparam>
    /// <returns>The call.</returns>
    public abstract AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method,
        string? host,
        CallOptions options,
        TRequest request)
        where TRequest : class
        where TResponse : class;

    /// <summary>Starts a call of one request and a stream of responses.</summary>
    /// <param name="method">The method.</param>
    /// <param name="host">The host to ask for, or null for the channel's own.</param>
    /// <param name="options">How the call is made.</param>
    /// <param name="request">The request.</param>
    /// <typeparam name="TRequest">The request message.</typeparam>
    /// <typeparam name="TResponse">The response message.</typeparam>
    /// <returns>The call.</returns>
    public abstract AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method,
        string? host,
        CallOptions options,
        TRequest request)
        where TRequest : class
        where TResponse : class;

    /// <summary>Starts a call of a stream of requests and one response.</summary>
    /// <param name="method">The method.</param>
    /// <param name="host">The host to ask for, or null for the channel's own.</param>
    /// <param name="options">How the call is made.</param>
    /// <typeparam name="TRequest">The request message.</typeparam>
    /// <typeparam name="TResponse">The response message.</typeparam>
    /// <returns>The call.</returns>
    public abstract AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method,
        string? host,
        CallOptions options)
        where TRequest : class
        where TResponse : class;

    /// <summary>Starts a call of two streams.</summary>
    /// <param name="method">The method.</param>
    /// <param name="host">The host to ask for, or null for the channel's own.</param>
    /// <param name="options">How the call is made.</param>
    /// <typeparam name="TRequest">The request message.</typeparam>
    /// <typeparam name="TResponse">The response message.</typeparam>
    /// <returns>The call.</returns>
    public abstract AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method,
        string? host,
        CallOptions options)
        where TRequest : class
        where TResponse : class;
}
