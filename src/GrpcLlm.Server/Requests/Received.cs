using Google.Protobuf;

namespace GrpcLlm.Server.Requests;

/// <summary>
/// A request as it came off the wire: read, or unreadable and why. The framework deserialises before any handler runs;
/// a deserialiser that threw would bypass validation, trailers and the usage record, so the fault travels instead.
/// </summary>
/// <typeparam name="T">The generated message.</typeparam>
internal sealed class Received<T>
    where T : class, IMessage<T>
{
    private Received(T? message, string field, string fault, int byteCount)
    {
        Message = message;
        Field = field;
        Fault = fault;
        ByteCount = byteCount;
    }

    /// <summary>The message; null if it cannot be read, or was released.</summary>
    public T? Message { get; private set; }

    /// <summary>Path of the field that cannot be read; empty where it is the message as a whole.</summary>
    public string Field { get; }

    /// <summary>What is wrong with it.</summary>
    public string Fault { get; }

    /// <summary>Bytes on the wire, before decompression's inverse: the serialized message.</summary>
    public int ByteCount { get; }

    public static Received<T> Read(T message, int byteCount) => new(message, "", "", byteCount);

    public static Received<T> Unreadable(string field, string fault, int byteCount) =>
        new(null, field, fault, byteCount);

    /// <summary>Lets go of the message: the framework keeps what it handed over for as long as the call lasts.</summary>
    public void Release() => Message = null;
}
