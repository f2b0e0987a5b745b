using System.Text;

namespace GrpcStandIns.Tests.Api;

public class MarshallerTests
{
    [Theory]
    [InlineData("")]
    [InlineData("plain")]
    [InlineData("grüße 🙂")]
    public void StringMarshaller_RoundTrips(string text)
    {
        var marshaller = Marshallers.StringMarshaller;

        marshaller.Serializer(text).ShouldBe(Encoding.UTF8.GetBytes(text));
        marshaller.Deserializer(Encoding.UTF8.GetBytes(text)).ShouldBe(text);
    }

    [Fact]
    public void ArrayFunctions_WorkThroughContexts()
    {
        var marshaller = Marshallers.Create(Encoding.UTF8.GetBytes, Encoding.UTF8.GetString);
        var context = new CollectingContext();

        marshaller.ContextualSerializer("text", context);

        context.Payload.ShouldBe(Encoding.UTF8.GetBytes("text"));
        marshaller.ContextualDeserializer(new ArrayContext(Encoding.UTF8.GetBytes("text"))).ShouldBe("text");
    }

    [Fact]
    public void ContextFunctions_WriteToTheBuffer_WorkThroughArrays()
    {
        var marshaller = Marshallers.Create<string>(
            (text, context) =>
            {
                context.SetPayloadLength(Encoding.UTF8.GetByteCount(text));
                Encoding.UTF8.GetBytes(text, context.GetBufferWriter());
                context.Complete();
            },
            context => $"{context.PayloadLength}:{Encoding.UTF8.GetString(context.PayloadAsReadOnlySequence())}");

        marshaller.Serializer("text").ShouldBe(Encoding.UTF8.GetBytes("text"));
        marshaller.Deserializer(Encoding.UTF8.GetBytes("text")).ShouldBe("4:text");
    }

    [Fact]
    public void ContextFunctions_CompleteWithAnArray_WorkThroughArrays()
    {
        var marshaller = Marshallers.Create<string>(
            (text, context) => context.Complete(Encoding.UTF8.GetBytes(text)),
            context => Encoding.UTF8.GetString(context.PayloadAsNewBuffer()));

        marshaller.Serializer("text").ShouldBe(Encoding.UTF8.GetBytes("text"));
        marshaller.Deserializer(Encoding.UTF8.GetBytes("text")).ShouldBe("text");
    }

    [Fact]
    public void NullFunctions_AreRefused()
    {
        Should.Throw<ArgumentNullException>(() => new Marshaller<string>(null!, Encoding.UTF8.GetString));
        Should.Throw<ArgumentNullException>(() => new Marshaller<string>(Encoding.UTF8.GetBytes, null!));
        Should.Throw<ArgumentNullException>(() => new Marshaller<string>(null!, context => ""));
        Should.Throw<ArgumentNullException>(() => new Marshaller<string>((text, context) => context.Complete(), null!));
    }

    [Fact]
    public void SerializationContext_MembersNotOverridden_AreNotImplemented()
    {
        var context = new BareSerializationContext();

        Should.Throw<NotImplementedException>(() => context.Complete([]));
        Should.Throw<NotImplementedException>(context.Complete);
        Should.Throw<NotImplementedException>(context.GetBufferWriter);
    }

    [Fact]
    public void DeserializationContext_MembersNotOverridden_AreNotImplemented()
    {
        var context = new BareDeserializationContext();

        context.PayloadLength.ShouldBe(0);
        Should.Throw<NotImplementedException>(context.PayloadAsNewBuffer);
        Should.Throw<NotImplementedException>(() => context.PayloadAsReadOnlySequence());
    }

    private sealed class BareSerializationContext : SerializationContext;

    private sealed class BareDeserializationContext : DeserializationContext
    {
        public override int PayloadLength => 0;
    }

    private sealed class CollectingContext : SerializationContext
    {
        public byte[]? Payload { get; private set; }

        public override void Complete(byte[] payload) => Payload = payload;
    }

    private sealed class ArrayContext(byte[] payload) : DeserializationContext
    {
        public override int PayloadLength => payload.Length;

        public override byte[] PayloadAsNewBuffer() => payload;
    }
}
