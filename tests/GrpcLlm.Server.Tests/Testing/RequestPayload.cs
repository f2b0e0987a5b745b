using System.Buffers;
using Google.Protobuf;
using Grpc.Core;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>The bytes of a request as the framework hands them to a marshaller. Immutable.</summary>
internal sealed class RequestPayload : DeserializationContext
{
    private readonly ReadOnlySequence<byte> _bytes;

    /// <summary>In one piece.</summary>
    public RequestPayload(ReadOnlyMemory<byte> bytes) => _bytes = new ReadOnlySequence<byte>(bytes);

    /// <summary>In two pieces.</summary>
    /// <param name="bytes">The whole.</param>
    /// <param name="cut">Bytes of the first piece.</param>
    public RequestPayload(ReadOnlyMemory<byte> bytes, int cut)
    {
        var first = new Segment(bytes[..cut], null);
        var last = new Segment(bytes[cut..], first);
        _bytes = new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    public override int PayloadLength => (int)_bytes.Length;

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => _bytes;

    /// <summary>A <c>GenerateRequest</c> that is nested deeply: a result of a tool within the result of a tool, and so on.</summary>
    public static byte[] Nested(int depth)
    {
        byte[] bytes = [];

        // ContentPart.tool_result (5) of ToolResult.parts (3) of …
        for (var level = 0; level < depth; level++) bytes = Nest((byte)(level % 2 == 0 ? 0x2A : 0x1A), bytes);
        return Nest(0x22, Nest(0x0A, Nest(0x12, bytes)));
    }

    private static byte[] Nest(byte tag, byte[] content)
    {
        using var stream = new MemoryStream();
        var output = new CodedOutputStream(stream);
        output.WriteRawTag(tag);
        output.WriteBytes(ByteString.CopyFrom(content));
        output.Flush();
        return stream.ToArray();
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? before)
        {
            Memory = memory;
            if (before is null) return;
            before.Next = this;
            RunningIndex = before.RunningIndex + before.Memory.Length;
        }
    }
}
