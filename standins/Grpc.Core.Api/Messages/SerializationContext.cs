using System.Buffers;

namespace Grpc.Core;

/// <summary>
/// Takes the bytes of one message, in one of two ways: <see cref="Complete(byte[])"/> with the whole message, or
/// <see cref="SetPayloadLength"/> (optional), <see cref="GetBufferWriter"/> and <see cref="Complete()"/>. For one
/// message and one thread.
/// </summary>
public abstract class SerializationContext
{
    /// <summary>Gives the whole message.</summary>
    /// <param name="payload">The bytes; they belong to the context from now on.</param>
    /// <exception cref="NotImplementedException">The context does not support it.</exception>
    public virtual void Complete(byte[] payload) => throw NotSupportedHere(nameof(Complete));

    /// <summary>The place to write the message to.</summary>
    /// <returns>The writer; the same one for the same message.</returns>
    /// <exception cref="NotImplementedException">The context does not support it.</exception>
    public virtual IBufferWriter<byte> GetBufferWriter() => throw NotSupportedHere(nameof(GetBufferWriter));

    /// <summary>Says how many bytes will be written, so that they need not be buffered first.</summary>
    /// <param name="payloadLength">The exact number.</param>
    public virtual void SetPayloadLength(int payloadLength)
    {
        // A hint: a context that has no use for it ignores it.
    }

    /// <summary>Says that the message has been written to <see cref="GetBufferWriter"/>.</summary>
    /// <exception cref="NotImplementedException">The context does not support it.</exception>
    public virtual void Complete() => throw NotSupportedHere(nameof(Complete));

    private NotImplementedException NotSupportedHere(string member) => new($"{GetType()} does not implement {member}.");
}
