using Google.Protobuf;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>
/// The state that the API puts on reasoning and wants back unchanged: the signature of a thinking block, or the whole of
/// a redacted one. The envelope's payload tells which. Stateless and thread-safe.
/// </summary>
internal static class AnthropicSignature
{
    private const string Signed = "signature:";
    private const string Redacted = "redacted:";

    /// <summary>Wraps the signature of a thinking block.</summary>
    public static ByteString OfThinking(string signature) =>
        SignatureEnvelope.Wrap(AnthropicProvider.BackendKind, Signed + signature);

    /// <summary>Wraps the data of a redacted thinking block.</summary>
    public static ByteString OfRedacted(string data) =>
        SignatureEnvelope.Wrap(AnthropicProvider.BackendKind, Redacted + data);

    /// <summary>Unwraps what came back on a part.</summary>
    /// <param name="signature">Bytes of the part.</param>
    /// <param name="value">The signature or the redacted data.</param>
    /// <param name="isRedacted">Which of them it is.</param>
    /// <returns>False if there is none, or another kind of backend made it.</returns>
    public static bool TryRead(ByteString signature, out string value, out bool isRedacted)
    {
        value = SignatureEnvelope.Unwrap(AnthropicProvider.BackendKind, signature) ?? "";
        isRedacted = value.StartsWith(Redacted, StringComparison.Ordinal);
        if (!isRedacted && !value.StartsWith(Signed, StringComparison.Ordinal)) return false;
        value = value[(isRedacted ? Redacted : Signed).Length..];
        return true;
    }
}
