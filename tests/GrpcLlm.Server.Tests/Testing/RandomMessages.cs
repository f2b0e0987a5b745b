using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>Messages with random fields, of any type.</summary>
internal static class RandomMessages
{
    public static IMessage Create(Random random, MessageDescriptor descriptor, int depth = 0)
    {
        var message = descriptor.Parser.ParseFrom([]);
        foreach (var field in descriptor.Fields.InDeclarationOrder())
        {
            if (random.Next(2) == 0 || (field.FieldType == FieldType.Message && depth > 5)) continue;
            if (field.IsMap)
            {
                var map = (IDictionary)field.Accessor.GetValue(message);
                for (var count = random.Next(1, 3); count > 0; count--)
                {
                    map[Scalar(random, field.MessageType.FindFieldByNumber(1))!] =
                        Scalar(random, field.MessageType.FindFieldByNumber(2));
                }
            }
            else if (field.IsRepeated)
            {
                var list = (IList)field.Accessor.GetValue(message);
                for (var count = random.Next(1, 3); count > 0; count--) list.Add(Value(random, field, depth));
            }
            else
            {
                field.Accessor.SetValue(message, Value(random, field, depth));
            }
        }

        return message;
    }

    private static object? Value(Random random, FieldDescriptor field, int depth) =>
        field.FieldType == FieldType.Message ? Create(random, field.MessageType, depth + 1) : Scalar(random, field);

    private static object? Scalar(Random random, FieldDescriptor field) => field.FieldType switch
    {
        FieldType.String => string.Concat(Enumerable.Range(0, random.Next(0, 8)).Select(_ => "aé€\uFFFDz"[random.Next(5)])) + "😀",
        FieldType.Bytes => ByteString.CopyFrom((byte)random.Next(256), 0xFF),
        FieldType.Bool => true,
        FieldType.Double => random.NextDouble(),
        FieldType.UInt32 => (uint)random.Next(),
        FieldType.UInt64 => (ulong)random.NextInt64(),
        FieldType.Int32 => random.Next(),
        FieldType.Int64 => random.NextInt64(),
        FieldType.Enum => random.Next(0, 9),
        _ => throw new NotSupportedException($"{field.FieldType}"),
    };
}
