using System.ComponentModel;

namespace Grpc.Core;

/// <summary>The methods of a service with their handlers. Immutable and thread-safe.</summary>
public class ServerServiceDefinition
{
    private readonly Action<ServiceBinderBase>[] _methods;

    private ServerServiceDefinition(Action<ServiceBinderBase>[] methods) => _methods = methods;

    /// <summary>Starts a definition with no methods.</summary>
    /// <returns>The builder.</returns>
    public static Builder CreateBuilder() => new();

    /// <summary>Gives every method to a binder, in the order they were added. Servers call it.</summary>
    /// <param name="serviceBinder">The binder.</param>
    /// <exception cref="ArgumentNullException"><paramref name="serviceBinder"/> is null.</exception>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public void BindService(ServiceBinderBase serviceBinder)
    {
        ArgumentNullException.ThrowIfNull(serviceBinder);
        foreach (var bind in _methods) bind(serviceBinder);
    }

    /// <summary>Collects the methods of a service. Not thread-safe.</summary>
    public class Builder
    {
        private readonly HashSet<string> _names = new(StringComparer.Ordinal);
        private readonly List<Action<ServiceBinderBase>> _methods = [];

        /// <summary>Adds a method of one request and one response.</summary>
        /// <param name="method">The method.</param>
        /// <param name="handler">Its handler.</param>
        /// <typeparam name="TRequest">The request message.</typeparam>
        /// <typeparam name="TResponse">The response message.</typeparam>
        /// <returns>This builder.</returns>
        /// <exception cref="ArgumentException">A method of this name has been added.</exception>
        public Builder AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method,
            UnaryServerMethod<TRequest, TResponse> handler)
            where TRequest : class
            where TResponse : class => Add(method, binder => binder.AddMethod(method, handler));

        /// <summary>Adds a method of a stream of requests and one response.</summary>
        /// <param name="method">The method.</param>
        /// <param name="handler">Its handler.</param>
        /// <typeparam name="TRequest">The request message.</typeparam>
        /// <typeparam name="TResponse">The response message.</typeparam>
        /// <returns>This builder.</returns>
        /// <exception cref="ArgumentException">A method of this name has been added.</exception>
        public Builder AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method,
            ClientStreamingServerMethod<TRequest, TResponse> handler)
            where TRequest : class
            where TResponse : class => Add(method, binder => binder.AddMethod(method, handler));

        /// <summary>Adds a method of one request and a stream of responses.</summary>
        /// <param name="method">The method.</param>
        /// <param name="handler">Its handler.</param>
        /// <typeparam name="TRequest">The request message.</typeparam>
        /// <typeparam name="TResponse">The response message.</typeparam>
        /// <returns>This builder.</returns>
        /// <exception cref="ArgumentException">A method of this name has been added.</exception>
        public Builder AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method,
            ServerStreamingServerMethod<TRequest, TResponse> handler)
            where TRequest : class
            where TResponse : class => Add(method, binder => binder.AddMethod(method, handler));

        /// <summary>Adds a method of two streams.</summary>
        /// <param name="method">The method.</param>
        /// <param name="handler">Its handler.</param>
        /// <typeparam name="TRequest">The request message.</typeparam>
        /// <typeparam name="TResponse">The response message.</typeparam>
        /// <returns>This builder.</returns>
        /// <exception cref="ArgumentException">A method of this name has been added.</exception>
        public Builder AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method,
            DuplexStreamingServerMethod<TRequest, TResponse> handler)
            where TRequest : class
            where TResponse : class => Add(method, binder => binder.AddMethod(method, handler));

        /// <summary>Makes the definition; methods added later do not change it.</summary>
        /// <returns>The definition.</returns>
        public ServerServiceDefinition Build() => new([.. _methods]);

        private Builder Add(IMethod method, Action<ServiceBinderBase> bind)
        {
            if (!_names.Add(method.FullName))
                throw new ArgumentException($"Method '{method.FullName}' has been added already.", nameof(method));

            _methods.Add(bind);
            return this;
        }
    }
}
