using System.Buffers;

namespace Grpc.Core;

/// <summary>Gives the bytes of one message. For one message and one thread.</summary>
public abstract class DeserializationContext
{
    /// <summary>How many bytes the message has.</summary>
    public abstract int PayloadLength { get; }

    /// <summary>The message as an array that the caller owns. The payload can be read once.</summary>
    /// <returns>The bytes.</returns>
    /// <exception cref="NotImplementedException">The context does not support it.</exception>
    public virtual byte[] PayloadAsNewBuffer() =>
        throw new NotImplementedException($"{GetType()} does not implement {nameof(PayloadAsNewBuffer)}.");

    /// <summary>The message without a copy. The payload can be read once.</summary>
    /// <returns>The bytes, valid until the deserializer returns.</returns>
    /// <exception cref="NotImplementedException">The context does not support it.</exception>
    public virtual ReadOnlySequence<byte> PayloadAsReadOnlySequence() =>
        throw new NotImplementedException($"{GetType()} does not implement {nameof(PayloadAsReadOnlySequence)}.");
}
