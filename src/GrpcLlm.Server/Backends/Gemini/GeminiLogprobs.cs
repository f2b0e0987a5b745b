using System.Text.Json;
using Google.Protobuf;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>
/// Reads a candidate's <c>logprobsResult</c>: <c>chosenCandidates</c>, one entry a token, and <c>topCandidates</c> beside
/// them. Tells what was asked for: ids, log probabilities or both. Stateless and thread-safe.
/// </summary>
internal static class GeminiLogprobs
{
    /// <summary>The tokens of an event; null if none were asked for or told.</summary>
    public static IReadOnlyList<TokenDetail>? Read(JsonElement candidate, OutputOptions? options)
    {
        if (options is null || JsonText.Child(candidate, "logprobsResult") is not { } result
            || JsonText.Child(result, "chosenCandidates") is not { ValueKind: JsonValueKind.Array } chosen
            || chosen.GetArrayLength() == 0) return null;
        var wantsLogprobs = options.Logprobs || options.TopLogprobs > 0;
        var tops = JsonText.Child(result, "topCandidates") is { ValueKind: JsonValueKind.Array } found ? found : default;
        var tokens = new List<TokenDetail>(chosen.GetArrayLength());
        foreach (var one in chosen.EnumerateArray())
        {
            var token = new TokenDetail { RawBytes = ByteString.CopyFromUtf8(JsonText.Read(one, "token")) };
            if (options.TokenIds && JsonText.Count(one, "tokenId") is { } id) token.Id = id;
            if (wantsLogprobs && LogprobOf(one) is { } logprob) token.Logprob = logprob;
            if (wantsLogprobs && tops.ValueKind == JsonValueKind.Array && tokens.Count < tops.GetArrayLength())
                AddAlternatives(token, tops[tokens.Count], options.TokenIds);
            tokens.Add(token);
        }

        return tokens;
    }

    private static void AddAlternatives(TokenDetail token, JsonElement top, bool wantsIds)
    {
        if (JsonText.Child(top, "candidates") is not { ValueKind: JsonValueKind.Array } candidates) return;
        foreach (var one in candidates.EnumerateArray())
        {
            var alternative = new TokenAlternative
            {
                RawBytes = ByteString.CopyFromUtf8(JsonText.Read(one, "token")),
                Logprob = LogprobOf(one) ?? float.NegativeInfinity,
            };
            if (wantsIds && JsonText.Count(one, "tokenId") is { } id) alternative.Id = id;
            token.Alternatives.Add(alternative);
        }
    }

    private static float? LogprobOf(JsonElement entry) =>
        entry.ValueKind == JsonValueKind.Object && entry.TryGetProperty("logProbability"u8, out var value)
        && value.ValueKind == JsonValueKind.Number ? value.GetSingle() : null;
}
