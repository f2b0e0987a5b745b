namespace Grpc.Core;

/// <summary>
/// How a transport learns what <see cref="CallCredentials"/> consist of: one of these is called for each.
/// </summary>
public abstract class CallCredentialsConfiguratorBase
{
    /// <summary>The credentials are several others.</summary>
    /// <param name="state">What the transport passed.</param>
    /// <param name="credentials">The others, in the order they apply.</param>
    public abstract void SetCompositeCredentials(object? state, IReadOnlyList<CallCredentials> credentials);

    /// <summary>The credentials are worked out for each call.</summary>
    /// <param name="state">What the transport passed.</param>
    /// <param name="interceptor">Adds them to the headers.</param>
    public abstract void SetAsyncAuthInterceptorCredentials(object? state, AsyncAuthInterceptor interceptor);
}
