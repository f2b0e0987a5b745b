namespace Grpc.Core;

/// <summary>Messages to be read one after the other. For one reader at a time.</summary>
/// <typeparam name="T">The message type.</typeparam>
/// <remarks>
/// On a client the stream ends with <c>false</c> when the call succeeded and with <see cref="RpcException"/> when it
/// failed; reading on gives the same result again. On a server a broken request stream fails the read and cancels the
/// call.
/// </remarks>
public interface IAsyncStreamReader<out T>
{
    /// <summary>The message that the last successful <see cref="MoveNext"/> read.</summary>
    T Current { get; }

    /// <summary>Reads the next message.</summary>
    /// <param name="cancellationToken">Cancels the read, and with it the whole call.</param>
    /// <returns>True if there is one; false at the end of the stream.</returns>
    Task<bool> MoveNext(CancellationToken cancellationToken);
}
