using System.Buffers;
using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.Server.Requests;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// Marshallers that make an unreadable request the client's fault. Those of the contract refuse what Google.Protobuf lets
/// pass as well: a <c>string</c> field with invalid UTF-8, in which it replaces bytes in silence (protobuf's proto3 guide: a
/// string must contain UTF-8). Thread-safe.
/// </summary>
internal static class CheckedMarshaller
{
    /// <summary>Reads a request; what cannot be read becomes <see cref="Received{T}.Unreadable"/>.</summary>
    public static Marshaller<Received<T>> ForRequest<T>(MessageParser<T> parser)
        where T : class, IMessage<T>, new()
    {
        var descriptor = new T().Descriptor;
        return new Marshaller<Received<T>>(
            (_, _) => throw new NotSupportedException("Requests are only read here."),
            context => Deserialize(parser, descriptor, context));
    }

    /// <summary>
    /// Reads a request of a standard service; what cannot be read ends the call with INTERNAL, as gRPC's page of status codes
    /// has it. From any other exception the framework would take it for a defect of the method and log an error, so that any
    /// client could fill the log.
    /// </summary>
    public static Marshaller<T> ForStandardRequest<T>(MessageParser<T> parser)
        where T : class, IMessage<T>, new() =>
        new(Serialize, context =>
        {
            try
            {
                return parser.ParseFrom(context.PayloadAsReadOnlySequence());
            }
            catch (InvalidProtocolBufferException exception)
            {
                throw new RpcException(new Status(StatusCode.Internal, "The request is not a valid protobuf message.", exception));
            }
        });

    /// <summary>Writes an answer straight into the transport's buffer.</summary>
    public static Marshaller<T> ForResponse<T>(MessageParser<T> parser)
        where T : class, IMessage<T>, new() =>
        new(Serialize, context => parser.ParseFrom(context.PayloadAsReadOnlySequence()));

    private static Received<T> Deserialize<T>(
        MessageParser<T> parser, Google.Protobuf.Reflection.MessageDescriptor descriptor, DeserializationContext context)
        where T : class, IMessage<T>, new()
    {
        var payload = context.PayloadAsReadOnlySequence();
        T message;
        try
        {
            message = parser.ParseFrom(payload);
        }
        catch (InvalidProtocolBufferException exception)
        {
            return Received<T>.Unreadable("", $"is not a valid protobuf message: {exception.Message}", (int)payload.Length);
        }

        var bytes = payload.IsSingleSegment ? payload.FirstSpan : payload.ToArray();
        return WireStrings.FindInvalidUtf8(bytes, descriptor) is { } field
            ? Received<T>.Unreadable(field, "must be valid UTF-8", bytes.Length)
            : Received<T>.Read(message, bytes.Length);
    }

    private static void Serialize<T>(T message, SerializationContext context)
        where T : class, IMessage<T>, new()
    {
        context.SetPayloadLength(message.CalculateSize());
        message.WriteTo(context.GetBufferWriter());
        context.Complete();
    }
}
