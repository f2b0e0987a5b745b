using System.Buffers;

namespace Grpc.Core;

/// <summary>
/// Collects one message in an array, for callers that want bytes from a serializer that writes to a context.
/// </summary>
internal sealed class ArraySerializationContext : SerializationContext
{
    private readonly ArrayBufferWriter<byte> _writer = new();
    private byte[]? _payload;

    /// <summary>The message.</summary>
    /// <exception cref="InvalidOperationException">The serializer did not complete it.</exception>
    public byte[] Payload => _payload
        ?? throw new InvalidOperationException("The serializer returned without completing the message.");

    public override void Complete(byte[] payload)
    {
        ArgumentNullException.ThrowIfNull(payload);
        if (_payload is not null) throw new InvalidOperationException("The message has been completed already.");

        _payload = payload;
    }

    public override IBufferWriter<byte> GetBufferWriter() => _writer;

    public override void Complete() => Complete(_writer.WrittenSpan.ToArray());
}
