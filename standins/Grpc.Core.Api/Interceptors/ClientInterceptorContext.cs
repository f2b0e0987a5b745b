namespace Grpc.Core.Interceptors;

/// <summary>A client call as an interceptor sees it. Immutable.</summary>
/// <param name="method">The method.</param>
/// <param name="host">The host to ask for, or null for the channel's own.</param>
/// <param name="options">How the call is made.</param>
/// <typeparam name="TRequest">The request message.</typeparam>
/// <typeparam name="TResponse">The response message.</typeparam>
public readonly struct ClientInterceptorContext<TRequest, TResponse>(
    Method<TRequest, TResponse> method,
    string? host,
    CallOptions options)
    where TRequest : class
    where TResponse : class
{
    /// <summary>The method.</summary>
    public Method<TRequest, TResponse> Method { get; } = method;

    /// <summary>The host to ask for, or null for the channel's own.</summary>
    public string? Host { get; } = host;

    /// <summary>How the call is made.</summary>
    public CallOptions Options { get; } = options;
}
