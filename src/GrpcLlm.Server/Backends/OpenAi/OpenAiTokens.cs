using System.Text.Json;
using Google.Protobuf;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>The tokens of one chunk, from its <c>logprobs</c>.</summary>
/// <param name="Content">Tokens of the text; null if they are not told.</param>
/// <param name="Refusal">Tokens of the refusal; null if they are not told.</param>
internal readonly record struct OpenAiTokens(IReadOnlyList<TokenDetail>? Content, IReadOnlyList<TokenDetail>? Refusal)
{
    /// <summary>Reads the tokens of a choice.</summary>
    /// <param name="choice">The choice.</param>
    /// <param name="wanted">Whether the caller asked for them; some servers send them unasked.</param>
    public static OpenAiTokens Of(JsonElement choice, bool wanted) =>
        wanted && JsonText.Child(choice, "logprobs") is { } logprobs
            ? new OpenAiTokens(ReadAll(logprobs, "content"), ReadAll(logprobs, "refusal")) : default;

    private static List<TokenDetail>? ReadAll(JsonElement logprobs, string name)
    {
        if (JsonText.Child(logprobs, name) is not { ValueKind: JsonValueKind.Array } list) return null;
        var tokens = new List<TokenDetail>(list.GetArrayLength());
        foreach (var entry in list.EnumerateArray())
        {
            var token = new TokenDetail { RawBytes = BytesOf(entry) };
            if (NumberOf(entry) is { } logprob) token.Logprob = logprob;
            if (JsonText.Child(entry, "top_logprobs") is { ValueKind: JsonValueKind.Array } top)
            {
                token.Alternatives.AddRange(top.EnumerateArray().Select(static one =>
                    new TokenAlternative { RawBytes = BytesOf(one), Logprob = NumberOf(one) ?? float.NegativeInfinity }));
            }

            tokens.Add(token);
        }

        return tokens;
    }

    /// <summary>The bytes; where they are not told, those of the token's text.</summary>
    private static ByteString BytesOf(JsonElement entry)
    {
        if (JsonText.Child(entry, "bytes") is not { ValueKind: JsonValueKind.Array } list)
            return ByteString.CopyFromUtf8(JsonText.Read(entry, "token"));
        var bytes = new List<byte>(list.GetArrayLength());
        foreach (var one in list.EnumerateArray())
        {
            if (one.ValueKind == JsonValueKind.Number && one.TryGetByte(out var value)) bytes.Add(value);
        }

        return ByteString.CopyFrom([.. bytes]);
    }

    private static float? NumberOf(JsonElement entry) =>
        entry.ValueKind == JsonValueKind.Object && entry.TryGetProperty("logprob", out var logprob)
        && logprob.ValueKind == JsonValueKind.Number && logprob.TryGetDouble(out var value) ? (float)value : null;
}
