namespace Grpc.Core;

/// <summary>
/// A call that did not succeed. Clients get it from a failed call; a handler throws it to end the call with that status
/// and those trailers.
/// </summary>
public class RpcException : Exception
{
    /// <summary>Makes one with no trailers and a message taken from the status.</summary>
    /// <param name="status">How the call ended.</param>
    public RpcException(Status status)
        : this(status, Metadata.Empty)
    {
    }

    /// <summary>Makes one with no trailers.</summary>
    /// <param name="status">How the call ended.</param>
    /// <param name="message">The exception message, which is not sent to the peer.</param>
    public RpcException(Status status, string message)
        : this(status, Metadata.Empty, message)
    {
    }

    /// <summary>Makes one with a message taken from the status.</summary>
    /// <param name="status">How the call ended.</param>
    /// <param name="trailers">The trailers; kept, not copied.</param>
    /// <exception cref="ArgumentNullException"><paramref name="trailers"/> is null.</exception>
    public RpcException(Status status, Metadata trailers)
        : this(status, trailers, status.ToString())
    {
    }

    /// <summary>Makes one. The status's debug exception becomes the inner exception.</summary>
    /// <param name="status">How the call ended.</param>
    /// <param name="trailers">The trailers; kept, not copied.</param>
    /// <param name="message">The exception message, which is not sent to the peer.</param>
    /// <exception cref="ArgumentNullException"><paramref name="trailers"/> is null.</exception>
    public RpcException(Status status, Metadata trailers, string message)
        : base(message, status.DebugException)
    {
        ArgumentNullException.ThrowIfNull(trailers);
        Status = status;
        Trailers = trailers;
    }

    /// <summary>How the call ended.</summary>
    public Status Status { get; }

    /// <summary>The code of <see cref="Status"/>.</summary>
    public StatusCode StatusCode => Status.StatusCode;

    /// <summary>The trailers of the call.</summary>
    /// <value>Read-only and empty where none were given.</value>
    public Metadata Trailers { get; }
}
