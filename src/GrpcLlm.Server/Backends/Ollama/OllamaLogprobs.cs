using System.Text.Json;
using Google.Protobuf;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Ollama;

/// <summary>
/// Reads <c>logprobs</c> of a line: <c>[{token, logprob, bytes, top_logprobs: […]}]</c>, one entry a token. Stateless.
/// </summary>
internal static class OllamaLogprobs
{
    /// <summary>The tokens of a line; null if it tells none.</summary>
    public static IReadOnlyList<TokenDetail>? Read(JsonElement line)
    {
        if (JsonText.Child(line, "logprobs") is not { ValueKind: JsonValueKind.Array } entries || entries.GetArrayLength() == 0)
            return null;
        var tokens = new List<TokenDetail>(entries.GetArrayLength());
        foreach (var entry in entries.EnumerateArray())
        {
            var token = new TokenDetail { RawBytes = BytesOf(entry) };
            if (LogprobOf(entry) is { } logprob) token.Logprob = logprob;
            if (JsonText.Child(entry, "top_logprobs") is { ValueKind: JsonValueKind.Array } top)
            {
                foreach (var one in top.EnumerateArray())
                    token.Alternatives.Add(new TokenAlternative { RawBytes = BytesOf(one), Logprob = LogprobOf(one) ?? float.NegativeInfinity });
            }

            tokens.Add(token);
        }

        return tokens;
    }

    private static float? LogprobOf(JsonElement entry) =>
        entry.ValueKind == JsonValueKind.Object && entry.TryGetProperty("logprob"u8, out var value)
        && value.ValueKind == JsonValueKind.Number ? value.GetSingle() : null;

    /// <summary>The bytes, since a token may be half a character; its text where there are none.</summary>
    private static ByteString BytesOf(JsonElement entry)
    {
        if (JsonText.Child(entry, "bytes") is not { ValueKind: JsonValueKind.Array } numbers)
            return ByteString.CopyFromUtf8(JsonText.Read(entry, "token"));
        var bytes = new byte[numbers.GetArrayLength()];
        var count = 0;
        foreach (var number in numbers.EnumerateArray())
        {
            if (number.ValueKind == JsonValueKind.Number && number.TryGetByte(out var one)) bytes[count++] = one;
        }

        return ByteString.CopyFrom(bytes, 0, count);
    }
}
