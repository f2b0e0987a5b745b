using System.Buffers;
using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.Server.Grpc;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Grpc;

public sealed class CheckedMarshallerTests
{
    private static readonly Marshaller<Received<GenerateRequest>> Requests =
        CheckedMarshaller.ForRequest(GenerateRequest.Parser);

    [Fact]
    public void Request_Valid_IsRead()
    {
        var request = new GenerateRequest { Prompt = "é", Model = "m" };

        var received = Read(request.ToByteArray());

        received.Message.ShouldBe(request);
        received.ByteCount.ShouldBe(request.CalculateSize());
    }

    [Fact]
    public void Request_Empty_IsRead() => Read([]).Message.ShouldBe(new GenerateRequest());

    [Theory]
    [InlineData(new byte[] { 0x1A, 0x05, 0x61 })]
    [InlineData(new byte[] { 0x00 })]
    [InlineData(new byte[] { 0x0C })]
    [InlineData(new byte[] { 0x0B })]
    [InlineData(new byte[] { 0x1A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F })]
    [InlineData(new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF })]
    public void Request_Broken_IsUnreadable(byte[] bytes)
    {
        var received = Read(bytes);

        received.Message.ShouldBeNull();
        received.Field.ShouldBe("");
        received.Fault.ShouldStartWith("is not a valid protobuf message");
        received.ByteCount.ShouldBe(bytes.Length);
    }

    [Fact]
    public void Request_InvalidUtf8_IsUnreadableByName()
    {
        var received = Read([0x1A, 0x01, 0xFF]);

        received.Message.ShouldBeNull();
        received.Field.ShouldBe("prompt");
        received.Fault.ShouldBe("must be valid UTF-8");
    }

    [Fact]
    public void Request_NestedBeyondAnySense_IsUnreadable()
    {
        byte[] bytes = [];
        for (var depth = 0; depth < 200; depth++)
        {
            // ContentPart.tool_result (5) of ToolResult.parts (3) of …
            bytes = Nest((byte)(depth % 2 == 0 ? 0x2A : 0x1A), bytes);
        }

        Read(Nest(0x22, Nest(0x0A, Nest(0x12, bytes)))).Message.ShouldBeNull();
    }

    [Fact]
    public void Request_AnyBytesInAnySegments_NeverThrows() => Properties.HoldsForSeeds(
        random =>
        {
            var bytes = random.Next(2) == 0
                ? RandomMessages.Create(random, GenerateRequest.Descriptor).ToByteArray()
                : new byte[random.Next(0, 40)];
            if (random.Next(2) == 0) random.NextBytes(bytes.AsSpan(random.Next(bytes.Length + 1)));

            var whole = Read(bytes);
            var cut = Read(bytes, random);

            cut.Field.ShouldBe(whole.Field);
            cut.Message.ShouldBe(whole.Message);
            whole.ByteCount.ShouldBe(bytes.Length);
        },
        count: 3000);

    [Fact]
    public void Request_IsNeverWritten() =>
        Should.Throw<NotSupportedException>(() => Requests.ContextualSerializer(Read([]), null!));

    private static byte[] Nest(byte tag, byte[] content)
    {
        using var stream = new MemoryStream();
        var output = new CodedOutputStream(stream);
        output.WriteRawTag(tag);
        output.WriteBytes(ByteString.CopyFrom(content));
        output.Flush();
        return stream.ToArray();
    }

    private static Received<GenerateRequest> Read(byte[] bytes, Random? cut = null)
    {
        if (cut is null) return Requests.ContextualDeserializer(new Payload(new ReadOnlySequence<byte>(bytes)));

        var first = new Segment(bytes.AsMemory(0, cut.Next(bytes.Length + 1)), null);
        var last = new Segment(bytes.AsMemory(first.Memory.Length), first);
        return Requests.ContextualDeserializer(
            new Payload(new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length)));
    }

    private sealed class Payload(ReadOnlySequence<byte> bytes) : DeserializationContext
    {
        public override int PayloadLength => (int)bytes.Length;

        public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => bytes;
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
