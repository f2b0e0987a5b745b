using System.Globalization;
using System.Text;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.V1;
using RpcStatus = Google.Rpc.Status;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>What came on one stream of a <see cref="RawHttp2Connection"/>, as it was on the wire.</summary>
/// <param name="Headers">The first header block; empty if none came.</param>
/// <param name="Messages">The whole messages.</param>
/// <param name="Trailers">The header block that ended the stream; empty if none did.</param>
/// <param name="IsTrailersOnly">Whether one header block was everything.</param>
/// <param name="ResetCode">Code of the RST_STREAM that ended the stream; null if none did.</param>
internal sealed record RawAnswer(
    List<(string Name, string Value)> Headers, List<RawMessage> Messages, List<(string Name, string Value)> Trailers,
    bool IsTrailersOnly, uint? ResetCode)
{
    /// <summary>The HTTP status; 0 if there is none.</summary>
    public int HttpStatus => int.Parse(Find(Headers, ":status") ?? "0", CultureInfo.InvariantCulture);

    /// <summary>The gRPC status; null if there is none.</summary>
    public StatusCode? Status =>
        Trailer("grpc-status") is { } status ? (StatusCode)int.Parse(status, CultureInfo.InvariantCulture) : null;

    /// <summary>The message of the status, decoded.</summary>
    public string StatusMessage => Uri.UnescapeDataString(Trailer("grpc-message") ?? "");

    /// <summary>Our reason; null where the answer is the framework's own.</summary>
    public string? Reason => Details?.Details.First(static any => any.Is(ErrorInfo.Descriptor)).Unpack<ErrorInfo>().Reason;

    /// <summary>The details of a failure; null where the answer is the framework's own.</summary>
    public RpcStatus? Details =>
        Trailer("grpc-status-details-bin") is { } value ? RpcStatus.Parser.ParseFrom(Decode(value)) : null;

    /// <summary>The chunks, of messages that are not compressed.</summary>
    public IEnumerable<TokenChunk> Chunks => Messages.Select(static message => TokenChunk.Parser.ParseFrom(message.Bytes));

    /// <summary>The text of the chunks.</summary>
    public string Text => string.Concat(Chunks.Select(static chunk => chunk.Text));

    /// <summary>Bytes of all trailers as RFC 9113 counts a header list, less its 32 a field.</summary>
    public int TrailerBytes => Trailers.Sum(static one => Encoding.UTF8.GetByteCount(one.Name) + Encoding.UTF8.GetByteCount(one.Value));

    public string? Header(string name) => Find(Headers, name);

    public string? Trailer(string name) => Find(Trailers, name);

    /// <summary>The bytes of a binary value: base64, with or without padding.</summary>
    public static byte[] Decode(string value) => Convert.FromBase64String(value.PadRight((value.Length + 3) / 4 * 4, '='));

    private static string? Find(List<(string Name, string Value)> fields, string name) =>
        fields.Where(one => one.Name == name).Select(static one => one.Value).FirstOrDefault();
}

/// <summary>A gRPC message with the flags of its prefix.</summary>
internal sealed record RawMessage(byte Flags, byte[] Bytes)
{
    public bool IsCompressed => (Flags & 1) != 0;
}
