using System.Collections.Immutable;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using GrpcLlm.Server.Backends.Embedded.Structured;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Draws the tokens of one stream. In this order: repetition penalty, presence and frequency penalty, logit bias, the
/// masks of end tokens and of a shape that the output must have; then temperature, top_k, top_p, min_p, each on what the
/// one before left; then one random number.
/// Temperature 0 takes the best token, of equal ones the smallest id, and no random number. Not thread-safe.
/// </summary>
internal sealed class Sampler
{
    private readonly SamplingPlan _plan;
    private readonly ImmutableArray<int> _endTokens;
    private readonly TokenConstraint? _constraint;
    private readonly Dictionary<int, uint>? _seen;
    private SplitMix64 _random;
    private uint _outputTokens;

    /// <param name="plan">How to draw.</param>
    /// <param name="endTokens">Tokens with which the model ends.</param>
    /// <param name="prompt">The prompt's tokens, for the repetition penalty.</param>
    /// <param name="constraint">The shape that the output must have; null for none.</param>
    public Sampler(
        SamplingPlan plan, ImmutableArray<int> endTokens, ReadOnlySpan<int> prompt, TokenConstraint? constraint = null)
    {
        _plan = plan;
        _endTokens = endTokens;
        _constraint = constraint;
        _random = new SplitMix64(plan.Seed);
        if (!plan.HasPenalties) return;
        _seen = [];
        foreach (int token in prompt) _seen.TryAdd(token, 0);
    }

    /// <summary>Draws a token and remembers it.</summary>
    /// <param name="logits">The model's raw logits; not changed.</param>
    /// <param name="scratch">Buffers of this thread.</param>
    /// <exception cref="BackendException">The logits are not numbers.</exception>
    public int Sample(ReadOnlySpan<float> logits, SamplerScratch scratch)
    {
        Span<float> adjusted = scratch.Logits;
        logits.CopyTo(adjusted);
        Adjust(adjusted);
        float best = TensorPrimitives.Max<float>(adjusted);
        if (!float.IsFinite(best))
        {
            throw new BackendException(
                BackendFailure.Failed, "the model's output is not a number: its weights are damaged");
        }

        int token = _plan.Temperature == 0 ? adjusted.IndexOf(best) : Draw(adjusted, scratch);
        _outputTokens++;
        _constraint?.Accept(token);
        if (_seen is not null) CollectionsMarshal.GetValueRefOrAddDefault(_seen, token, out _)++;
        return token;
    }

    private void Adjust(Span<float> logits)
    {
        if (_seen is not null)
        {
            foreach ((int token, uint count) in _seen)
            {
                // Keskar et al. (CTRL), as everybody does it: a logit moves away from likely whatever its sign.
                double logit = logits[token];
                logit = logit > 0 ? logit / _plan.RepetitionPenalty : logit * _plan.RepetitionPenalty;
                if (count > 0) logit -= _plan.PresencePenalty + (count * _plan.FrequencyPenalty);
                logits[token] = (float)logit;
            }
        }

        foreach ((int token, double bias) in _plan.LogitBias) logits[token] += (float)bias;
        if (_outputTokens < _plan.MinOutputTokens)
        {
            foreach (int token in _endTokens) logits[token] = float.NegativeInfinity;
        }

        _constraint?.Mask(logits);
    }

    private int Draw(ReadOnlySpan<float> logits, SamplerScratch scratch)
    {
        Span<Candidate> candidates = Possible(Best(logits, scratch.Candidates));
        Span<double> weights = scratch.Weights.AsSpan(0, candidates.Length);
        double total = 0;
        for (int i = 0; i < candidates.Length; i++)
        {
            weights[i] = Math.Exp(((double)candidates[i].Logit - candidates[0].Logit) / _plan.Temperature);
            total += weights[i];
        }

        int count = CutByTopP(weights, total);
        count = CutByMinP(weights[..count]);

        total = 0;
        foreach (double weight in weights[..count]) total += weight;
        double mark = _random.NextUnit() * total;
        for (int i = 0; i < count - 1; i++)
        {
            mark -= weights[i];
            if (mark < 0) return candidates[i].Id;
        }

        return candidates[count - 1].Id;
    }

    // Without those that are masked, which rounding might reach otherwise.
    private static Span<Candidate> Possible(Span<Candidate> candidates)
    {
        int count = candidates.Length;
        while (count > 1 && float.IsNegativeInfinity(candidates[count - 1].Logit)) count--;
        return candidates[..count];
    }

    // The top_k best, best first. A heap of them keeps the worst on top, so most tokens cost one comparison.
    private Span<Candidate> Best(ReadOnlySpan<float> logits, Candidate[] buffer)
    {
        int wanted = _plan.TopK == 0 ? logits.Length : Math.Min(_plan.TopK, logits.Length);
        Span<Candidate> best = buffer.AsSpan(0, wanted);
        for (int id = 0; id < wanted; id++) best[id] = new Candidate(id, logits[id]);
        if (wanted < logits.Length)
        {
            for (int i = (wanted / 2) - 1; i >= 0; i--) SiftDown(best, i);
            for (int id = wanted; id < logits.Length; id++)
            {
                if (logits[id] <= best[0].Logit) continue; // of equals, the smaller id stays
                best[0] = new Candidate(id, logits[id]);
                SiftDown(best, 0);
            }
        }

        best.Sort(Candidate.Compare);
        return best;
    }

    private static void SiftDown(Span<Candidate> heap, int index)
    {
        while (true)
        {
            int worst = index;
            for (int child = (2 * index) + 1; child <= (2 * index) + 2 && child < heap.Length; child++)
            {
                if (Candidate.Compare(heap[child], heap[worst]) > 0) worst = child;
            }

            if (worst == index) return;
            (heap[index], heap[worst]) = (heap[worst], heap[index]);
            index = worst;
        }
    }

    private int CutByTopP(ReadOnlySpan<double> weights, double total)
    {
        if (_plan.TopP >= 1) return weights.Length;
        double sum = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            sum += weights[i];
            if (sum >= _plan.TopP * total) return i + 1;
        }

        return weights.Length;
    }

    // Weights are relative to the best one's, which is 1.
    private int CutByMinP(ReadOnlySpan<double> weights)
    {
        int count = weights.Length;
        while (count > 1 && weights[count - 1] < _plan.MinP) count--;
        return count;
    }
}
