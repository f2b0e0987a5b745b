using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using GrpcLlm.Server.Grpc;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Grpc;

public sealed class WireStringsTests
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    [Fact]
    public void AnyRequest_WithAnyBytesBroken_FindsTheSameFieldAsAPlainReading()
    {
        var (readable, found) = (0, 0);
        Properties.HoldsForSeeds(
            random =>
            {
                var bytes = RandomMessages.Create(random, GenerateRequest.Descriptor).ToByteArray();
                for (var faults = random.Next(0, 4); faults > 0 && bytes.Length > 0; faults--)
                    bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                if (!IsReadable(bytes)) return;

                var expected = Reference(bytes, GenerateRequest.Descriptor, "");
                WireStrings.FindInvalidUtf8(bytes, GenerateRequest.Descriptor).ShouldBe(expected);
                readable++;
                if (expected is not null) found++;
            },
            count: 4000);
        readable.ShouldBeGreaterThan(500);
        found.ShouldBeGreaterThan(50);
    }

    [Theory]
    [InlineData("")]
    [InlineData("plain")]
    [InlineData("é€😀\uFFFD")]
    public void Valid_IsNotFound(string prompt) => Find(new GenerateRequest { Prompt = prompt }).ShouldBeNull();

    [Fact]
    public void BytesFields_MayHoldAnything() =>
        Find(new GenerateRequest
        {
            Conversation = new Conversation
            {
                Messages =
                {
                    new ConversationMessage
                    {
                        Parts =
                        {
                            new ContentPart
                            {
                                Signature = ByteString.CopyFrom(0xFF), Image = new Image { Data = ByteString.CopyFrom(0xFE, 0xC3) },
                            },
                        },
                    },
                },
            },
        }).ShouldBeNull();

    [Theory]
    [InlineData(new byte[] { 0xFF })]
    [InlineData(new byte[] { 0xC3 })]
    [InlineData(new byte[] { 0xC0, 0x80 })]
    [InlineData(new byte[] { 0xED, 0xA0, 0x80 })]
    [InlineData(new byte[] { 0xF4, 0x90, 0x80, 0x80 })]
    [InlineData(new byte[] { 0x80 })]
    public void Invalid_OfEachKind_IsFound(byte[] bytes) =>
        WireStrings.FindInvalidUtf8(Field(3, bytes), GenerateRequest.Descriptor).ShouldBe("prompt");

    [Fact]
    public void Invalid_AtAnyDepth_IsToldByItsPath()
    {
        var good = Field(1, "ok"u8);
        var bad = Field(1, [0xFF]);
        var result = Field(5, [.. Field(1, "id"u8), .. Field(3, good), .. Field(3, bad)]);
        var message = Field(2, result);
        var conversation = Field(4, [.. Field(1, Field(2, good)), .. Field(1, [.. message, .. message])]);

        WireStrings.FindInvalidUtf8(conversation, GenerateRequest.Descriptor)
            .ShouldBe("conversation.messages[1].parts[0].tool_result.parts[1].text");
    }

    [Fact]
    public void Invalid_InARepeatedString_TellsItsIndex() =>
        WireStrings.FindInvalidUtf8(
                Field(6, [.. Field(2, "a"u8), .. Field(2, "b"u8), .. Field(2, [0xC3])]), GenerateRequest.Descriptor)
            .ShouldBe("limits.stop_sequences[2]");

    [Theory]
    [InlineData(1, "labels[1].key")]
    [InlineData(2, "labels[1].value")]
    public void Invalid_InAMap_TellsKeyOrValue(int number, string path) =>
        WireStrings.FindInvalidUtf8(
            [.. Field(13, Field(1, "a"u8)), .. Field(13, Field(number, [0xFF]))], GenerateRequest.Descriptor).ShouldBe(path);

    [Fact]
    public void Invalid_ThatTheNextTagWouldComplete_IsFound()
    {
        // C3 at the end of `model`, then the tag of field 16, 82 01: together a valid "Â".
        byte[] bytes = [.. Field(2, [0xC3]), .. Field(16, Field(1, "a"u8))];
        bytes.AsSpan().IndexOf("\u00c2"u8).ShouldBe(2);
        Strict.GetString(bytes).ShouldNotBeEmpty();

        WireStrings.FindInvalidUtf8(bytes, GenerateRequest.Descriptor).ShouldBe("model");
    }

    [Fact]
    public void Invalid_OverwrittenLater_IsFoundAllTheSame() =>
        WireStrings.FindInvalidUtf8([.. Field(3, [0xFF]), .. Field(3, "ok"u8)], GenerateRequest.Descriptor).ShouldBe("prompt");

    [Fact]
    public void Unknown_FieldsAndGroups_AreNotOurs()
    {
        byte[] group = [.. Tag(99, 3), .. Field(3, [0xFF]), .. Tag(4, 3), .. Field(2, [0xFE]), .. Tag(4, 4), .. Tag(99, 4)];
        byte[] bytes = [.. Field(500, [0xFF]), .. group, .. Tag(3, 0), 0x80, 0x01, .. Tag(2, 5), 0xFF, 0xFF, 0xFF, 0xFF,
            .. Tag(2, 1), 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        IsReadable(bytes).ShouldBeTrue();
        WireStrings.FindInvalidUtf8(bytes, GenerateRequest.Descriptor).ShouldBeNull();

        WireStrings.FindInvalidUtf8([.. bytes, .. Field(3, [0xFF])], GenerateRequest.Descriptor).ShouldBe("prompt");
    }

    [Fact]
    public void Lengths_WrittenLongerThanNeeded_AreRead()
    {
        byte[] bytes = [0x9A, 0x80, 0x00, 0x81, 0x80, 0x80, 0x00, 0xFF];
        IsReadable(bytes).ShouldBeTrue();

        WireStrings.FindInvalidUtf8(bytes, GenerateRequest.Descriptor).ShouldBe("prompt");
    }

    private static string? Find(GenerateRequest request) =>
        WireStrings.FindInvalidUtf8(request.ToByteArray(), GenerateRequest.Descriptor);

    private static bool IsReadable(byte[] bytes)
    {
        try
        {
            GenerateRequest.Parser.ParseFrom(bytes);
            return true;
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }
    }

    /// <summary>The same by the library's own reader, without any short cut.</summary>
    private static string? Reference(byte[] message, MessageDescriptor descriptor, string path)
    {
        var repeats = new Dictionary<int, int>();
        var input = new CodedInputStream(message);
        while (input.ReadTag() is var tag and not 0)
        {
            if (WireFormat.GetTagWireType(tag) != WireFormat.WireType.LengthDelimited)
            {
                input.SkipLastField();
                continue;
            }

            var content = input.ReadBytes().ToByteArray();
            if (descriptor.FindFieldByNumber(WireFormat.GetTagFieldNumber(tag)) is not { } field) continue;
            if (field.FieldType is not (FieldType.String or FieldType.Message)) continue;
            var name = path.Length == 0 ? field.Name : $"{path}.{field.Name}";
            if (field.IsRepeated)
            {
                repeats.TryGetValue(field.FieldNumber, out var index);
                repeats[field.FieldNumber] = index + 1;
                name += $"[{index}]";
            }

            if (field.FieldType == FieldType.String ? !IsUtf8(content) : false) return name;
            if (field.FieldType == FieldType.Message && Reference(content, field.MessageType, name) is { } inner) return inner;
        }

        return null;
    }

    private static bool IsUtf8(byte[] bytes)
    {
        try
        {
            Strict.GetString(bytes);
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }

    private static byte[] Tag(int number, int wireType) => Varint(((uint)number << 3) | (uint)wireType);

    private static byte[] Field(int number, ReadOnlySpan<byte> content) =>
        [.. Tag(number, 2), .. Varint((uint)content.Length), .. content];

    private static byte[] Varint(uint value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return [.. bytes];
    }
}
