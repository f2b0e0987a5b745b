using Google.Protobuf;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Describes tokens for a caller who asked: ids, bytes, and natural logarithms of probabilities by the model's own
/// logits, before penalties, bias, temperature, truncation and masks. Thread-safe.
/// </summary>
/// <param name="vocabulary">The tokens.</param>
/// <param name="withIds">Whether ids are told.</param>
/// <param name="withLogprobs">Whether bytes and log probabilities are told.</param>
/// <param name="alternatives">Most likely tokens to tell beside the chosen one, 0 to 20.</param>
internal sealed class TokenDetails(Vocabulary vocabulary, bool withIds, bool withLogprobs, int alternatives)
{
    /// <summary>What a request asks for; null for nothing.</summary>
    public static TokenDetails? For(OutputOptions? output, Vocabulary vocabulary) =>
        output is null || !(output.Logprobs || output.TopLogprobs > 0 || output.TokenIds)
            ? null
            : new TokenDetails(
                vocabulary, output.TokenIds, output.Logprobs || output.TopLogprobs > 0,
                (int)Math.Min(output.TopLogprobs, (uint)vocabulary.Count));

    /// <summary>Describes a token.</summary>
    /// <param name="token">The one that was drawn.</param>
    /// <param name="logits">The model's raw logits.</param>
    public TokenDetail Describe(int token, ReadOnlySpan<float> logits)
    {
        var detail = new TokenDetail();
        if (withIds) detail.Id = (uint)token;
        if (!withLogprobs) return detail;

        double logSum = LogSumOfExponentials(logits);
        detail.RawBytes = BytesOf(token);
        detail.Logprob = (float)(logits[token] - logSum);
        foreach (Candidate candidate in Best(logits))
        {
            var alternative = new TokenAlternative
            {
                RawBytes = BytesOf(candidate.Id),
                Logprob = (float)(candidate.Logit - logSum),
            };
            if (withIds) alternative.Id = (uint)candidate.Id;
            detail.Alternatives.Add(alternative);
        }

        return detail;
    }

    private static double LogSumOfExponentials(ReadOnlySpan<float> logits)
    {
        double max = float.NegativeInfinity;
        foreach (float logit in logits) max = Math.Max(max, logit);
        double sum = 0;
        foreach (float logit in logits) sum += Math.Exp(logit - max);
        return max + Math.Log(sum);
    }

    // At most 20, so insertion into a short list is quicker than anything clever.
    private List<Candidate> Best(ReadOnlySpan<float> logits)
    {
        var best = new List<Candidate>(alternatives + 1);
        for (int id = 0; id < logits.Length && alternatives > 0; id++)
        {
            var candidate = new Candidate(id, logits[id]);
            int place = best.Count;
            while (place > 0 && Candidate.Compare(candidate, best[place - 1]) < 0) place--;
            if (place == alternatives) continue;
            best.Insert(place, candidate);
            if (best.Count > alternatives) best.RemoveAt(alternatives);
        }

        return best;
    }

    // The vocabulary's bytes never change, so they need no copy.
    private ByteString BytesOf(int token) => UnsafeByteOperations.UnsafeWrap(vocabulary.BytesOf(token));
}
