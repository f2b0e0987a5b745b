namespace Grpc.Core;

/// <summary>
/// The call that an <see cref="AsyncAuthInterceptor"/> gives credentials to. Immutable and thread-safe.
/// </summary>
public class AuthInterceptorContext
{
    /// <summary>Makes a context that is never cancelled.</summary>
    /// <param name="serviceUrl">The service.</param>
    /// <param name="methodName">The method.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    public AuthInterceptorContext(string serviceUrl, string methodName)
        : this(serviceUrl, methodName, CancellationToken.None)
    {
    }

    /// <summary>Makes a context.</summary>
    /// <param name="serviceUrl">The service.</param>
    /// <param name="methodName">The method.</param>
    /// <param name="cancellationToken">Cancelled when the call is.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    public AuthInterceptorContext(string serviceUrl, string methodName, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(serviceUrl);
        ArgumentNullException.ThrowIfNull(methodName);
        ServiceUrl = serviceUrl;
        MethodName = methodName;
        CancellationToken = cancellationToken;
    }

    /// <summary>The service's full address, for example <c>https://host/greet.v1.Greeter</c>.</summary>
    public string ServiceUrl { get; }

    /// <summary>The method without its service.</summary>
    public string MethodName { get; }

    /// <summary>Cancelled when the call is.</summary>
    public CancellationToken CancellationToken { get; }
}
