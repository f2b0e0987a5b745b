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
    public void Request_NestedBeyondAnySense_IsUnreadable() => Read(RequestPayload.Nested(200)).Message.ShouldBeNull();

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

    private static Received<GenerateRequest> Read(byte[] bytes, Random? cut = null) => Requests.ContextualDeserializer(
        cut is null ? new RequestPayload(bytes) : new RequestPayload(bytes, cut.Next(bytes.Length + 1)));
}
