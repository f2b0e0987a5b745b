namespace Grpc.Core;

/// <summary>
/// Takes the methods of a service, one call for each. A server overrides the overloads for the kinds it can serve.
/// </summary>
public abstract class ServiceBinderBase
{
    /// <summary>Adds a method of one request and one response.</summary>
    /// <param name="method">The method.</param>
    /// <param name="handler">Its handler, or null where the service is created per call.</param>
    /// <typeparam name="TRequest">The request message.</typeparam>
    /// <typeparam name="TResponse">The response message.</typeparam>
    /// <exception cref="NotImplementedException">The binder does not take this kind.</exception>
    public virtual void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method,
        UnaryServerMethod<TRequest, TResponse>? handler)
        where TRequest : class
        where TResponse : class => throw NotTaken(MethodType.Unary);

    /// <summary>Adds a method of a stream of requests and one response.</summary>
    /// <param name="method">The method.</param>
    /// <param name="handler">Its handler, or null where the service is created per call.</param>
    /// <typeparam name="TRequest">The request message.</typeparam>
    /// <typeparam name="TResponse">The response message.</typeparam>
    /// <exception cref="NotImplementedException">The binder does not take this kind.</exception>
    public virtual void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method,
        ClientStreamingServerMethod<TRequest, TResponse>? handler)
        where TRequest : class
        where TResponse : class => throw NotTaken(MethodType.ClientStreaming);

    /// <summary>Adds a method of one request and a stream of responses.</summary>
    /// <param name="method">The method.</param>
    /// <param name="handler">Its handler, or null where the service is created per call.</param>
    /// <typeparam name="TRequest">The request message.</typeparam>
    /// <typeparam name="TResponse">The response message.</typeparam>
    /// <exception cref="NotImplementedException">The binder does not take this kind.</exception>
    public virtual void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method,
        ServerStreamingServerMethod<TRequest, TResponse>? handler)
        where TRequest : class
        where TResponse : class => throw NotTaken(MethodType.ServerStreaming);

    /// <summary>Adds a method of two streams.</summary>
    /// <param name="method">The method.</param>
    /// <param name="handler">Its handler, or null where the service is created per call.</param>
    /// <typeparam name="TRequest">The request message.</typeparam>
    /// <typeparam name="TResponse">The response message.</typeparam>
    /// <exception cref="NotImplementedException">The binder does not take this kind.</exception>
    public virtual void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method,
        DuplexStreamingServerMethod<TRequest, TResponse>? handler)
        where TRequest : class
        where TResponse : class => throw NotTaken(MethodType.DuplexStreaming);

    private NotImplementedException NotTaken(MethodType type) => new($"{GetType()} does not take {type} methods.");
}
