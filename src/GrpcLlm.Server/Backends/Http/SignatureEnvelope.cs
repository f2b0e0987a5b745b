using System.Text;
using Google.Protobuf;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// The bytes of a <c>signature</c>: backend kind, a zero byte, and the provider's own state. A backend of another kind
/// sees that it is not meant and gets the conversation without it. Stateless and thread-safe.
/// </summary>
internal static class SignatureEnvelope
{
    /// <summary>Wraps a provider's state.</summary>
    public static ByteString Wrap(string kind, string payload) => ByteString.CopyFromUtf8($"{kind}\0{payload}");

    /// <summary>The provider's state, if it is that kind's; null otherwise.</summary>
    public static string? Unwrap(string kind, ByteString signature)
    {
        var mark = Encoding.UTF8.GetBytes(kind + "\0");
        return signature.Span.StartsWith(mark) ? Encoding.UTF8.GetString(signature.Span[mark.Length..]) : null;
    }
}
