using System.Collections.Immutable;
using System.Security.Cryptography;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// How tokens of one stream are drawn: the request's options with every default filled in. The defaults are those that
/// suit small base models, which fall into loops without them.
/// </summary>
internal sealed record SamplingPlan
{
    /// <summary>0 takes the best token; above, logits are divided by it.</summary>
    /// <value>Default 0.8.</value>
    public double Temperature { get; init; } = 0.8;

    /// <summary>Candidates kept; 0 keeps all.</summary>
    /// <value>Default 40.</value>
    public int TopK { get; init; } = 40;

    /// <summary>Candidates are kept, best first, until their probability reaches this; 1 keeps all.</summary>
    /// <value>Default 0.95.</value>
    public double TopP { get; init; } = 0.95;

    /// <summary>Candidates with less than this share of the best one's probability are dropped; 0 keeps all.</summary>
    /// <value>Default 0.</value>
    public double MinP { get; init; }

    /// <summary>Factor on tokens of prompt and output; 1 changes nothing.</summary>
    /// <value>Default 1.</value>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Taken once from the logit of every token in the output; 0 changes nothing.</summary>
    /// <value>Default 0.</value>
    public double PresencePenalty { get; init; }

    /// <summary>Taken from the logit of a token as often as it is in the output; 0 changes nothing.</summary>
    /// <value>Default 0.</value>
    public double FrequencyPenalty { get; init; }

    /// <summary>Added to the logits of these ids.</summary>
    /// <value>Default none.</value>
    public ImmutableArray<KeyValuePair<int, double>> LogitBias { get; init; } = [];

    /// <summary>The model cannot end before so many tokens.</summary>
    /// <value>Default 0.</value>
    public uint MinOutputTokens { get; init; }

    /// <summary>Seed of the random numbers.</summary>
    public long Seed { get; init; }

    /// <summary>Whether any penalty is on, so that tokens must be counted.</summary>
    public bool HasPenalties => RepetitionPenalty != 1 || PresencePenalty != 0 || FrequencyPenalty != 0;

    /// <summary>The plan of a valid request. A seed that it does not have is drawn, below 2^31.</summary>
    public static SamplingPlan For(GenerateRequest request)
    {
        var defaults = new SamplingPlan();
        SamplingOptions options = request.Sampling ?? new SamplingOptions();
        return new SamplingPlan
        {
            Temperature = options.HasTemperature ? options.Temperature : defaults.Temperature,
            TopK = options.HasTopK ? (int)Math.Min(options.TopK, int.MaxValue) : defaults.TopK,
            TopP = options.HasTopP ? options.TopP : defaults.TopP,
            MinP = options.HasMinP ? options.MinP : defaults.MinP,
            RepetitionPenalty = options.HasRepetitionPenalty ? options.RepetitionPenalty : defaults.RepetitionPenalty,
            PresencePenalty = options.PresencePenalty,
            FrequencyPenalty = options.FrequencyPenalty,
            LogitBias = [.. options.LogitBias.Select(entry => KeyValuePair.Create((int)entry.Key, entry.Value))],
            MinOutputTokens = request.Limits?.MinOutputTokens ?? 0,
            Seed = options.HasSeed ? options.Seed : RandomNumberGenerator.GetInt32(int.MaxValue),
        };
    }
}
