namespace Grpc.Core;

/// <summary>Messages to be written one after the other. One write at a time: await each before the next.</summary>
/// <typeparam name="T">The message type.</typeparam>
public interface IAsyncStreamWriter<in T>
{
    /// <summary>How the next messages are written.</summary>
    /// <value>Null stands for the call's own options.</value>
    WriteOptions? WriteOptions { get; set; }

    /// <summary>Writes one message.</summary>
    /// <param name="message">The message; it must not change before the write is done.</param>
    /// <returns>Done when the transport has taken the message, not when the peer has it.</returns>
    Task WriteAsync(T message);

    /// <summary>Writes one message unless cancelled.</summary>
    /// <param name="message">The message; it must not change before the write is done.</param>
    /// <param name="cancellationToken">Cancels the write, and with it the whole call.</param>
    /// <returns>Done when the transport has taken the message, not when the peer has it.</returns>
    /// <exception cref="NotSupportedException">
    /// The token can be cancelled and the implementation has no version of this method of its own.
    /// </exception>
    Task WriteAsync(T message, CancellationToken cancellationToken) => cancellationToken.CanBeCanceled
        ? throw new NotSupportedException($"{GetType()} cannot cancel a single write.")
        : WriteAsync(message);
}
