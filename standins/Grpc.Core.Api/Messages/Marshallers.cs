using System.Text;

namespace Grpc.Core;

/// <summary>Makes marshallers.</summary>
public static class Marshallers
{
    /// <summary>Strings as UTF-8.</summary>
    public static Marshaller<string> StringMarshaller { get; } = new(Encoding.UTF8.GetBytes, Encoding.UTF8.GetString);

    /// <summary>Makes a marshaller from functions over arrays.</summary>
    /// <param name="serializer">Message to bytes.</param>
    /// <param name="deserializer">Bytes to message.</param>
    /// <typeparam name="T">The message type.</typeparam>
    /// <returns>The marshaller.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    public static Marshaller<T> Create<T>(Func<T, byte[]> serializer, Func<byte[], T> deserializer) =>
        new(serializer, deserializer);

    /// <summary>Makes a marshaller from functions over buffers.</summary>
    /// <param name="serializer">Writes a message to a context and completes it.</param>
    /// <param name="deserializer">Reads a message from a context.</param>
    /// <typeparam name="T">The message type.</typeparam>
    /// <returns>The marshaller.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    public static Marshaller<T> Create<T>(
        Action<T, SerializationContext> serializer,
        Func<DeserializationContext, T> deserializer) => new(serializer, deserializer);
}
