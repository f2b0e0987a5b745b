using System.Text;
using System.Text.Unicode;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// Checks the <c>string</c> fields of a serialized message for valid UTF-8, at any depth, by walking the wire format
/// (protobuf encoding guide). The message must have been parsed before, so its nesting is known to be bounded.
/// </summary>
internal static class WireStrings
{
    /// <summary>Path of the first string field with invalid UTF-8; null if there is none.</summary>
    public static string? FindInvalidUtf8(ReadOnlySpan<byte> message, MessageDescriptor descriptor) =>
        // Nothing but ASCII, tags and lengths included, needs no walk. "Valid UTF-8 as a whole" would not do: a
        // sequence could begin at the end of one field and be completed by the tag of the next.
        Ascii.IsValid(message) ? null : Walk(message, descriptor, "");

    private static string? Walk(ReadOnlySpan<byte> message, MessageDescriptor descriptor, string path)
    {
        Dictionary<int, int>? repeats = null;
        var groupDepth = 0;
        while (!message.IsEmpty)
        {
            var tag = (uint)ReadVarint(ref message);
            if (WireFormat.GetTagWireType(tag) != WireFormat.WireType.LengthDelimited)
            {
                Skip(ref message, WireFormat.GetTagWireType(tag), ref groupDepth);
                continue;
            }

            var length = (int)ReadVarint(ref message);
            var content = message[..length];
            message = message[length..];

            // The contract has no groups: what is inside one is unknown, whatever its field numbers.
            if (groupDepth > 0) continue;
            var field = descriptor.FindFieldByNumber(WireFormat.GetTagFieldNumber(tag));
            if (field is null || field.FieldType is not (FieldType.String or FieldType.Message)) continue;

            var name = path.Length == 0 ? field.Name : $"{path}.{field.Name}";
            if (field.IsRepeated)
            {
                repeats ??= [];
                var index = repeats.GetValueOrDefault(field.FieldNumber);
                repeats[field.FieldNumber] = index + 1;
                name = $"{name}[{index}]";
            }

            if (field.FieldType == FieldType.String)
            {
                if (!Utf8.IsValid(content)) return name;
            }
            else if (Walk(content, field.MessageType, name) is { } inner)
            {
                return inner;
            }
        }

        return null;
    }

    private static ulong ReadVarint(ref ReadOnlySpan<byte> message)
    {
        ulong value = 0;
        for (var index = 0; ; index++)
        {
            value |= (ulong)(message[index] & 0x7F) << (7 * index);
            if (message[index] < 0x80)
            {
                message = message[(index + 1)..];
                return value;
            }
        }
    }

    private static void Skip(ref ReadOnlySpan<byte> message, WireFormat.WireType wireType, ref int groupDepth)
    {
        switch (wireType)
        {
            case WireFormat.WireType.Varint:
                ReadVarint(ref message);
                break;
            case WireFormat.WireType.Fixed64:
                message = message[sizeof(ulong)..];
                break;
            case WireFormat.WireType.Fixed32:
                message = message[sizeof(uint)..];
                break;
            case WireFormat.WireType.StartGroup:
                groupDepth++;
                break;
            case WireFormat.WireType.EndGroup:
                groupDepth--;
                break;
        }
    }
}
