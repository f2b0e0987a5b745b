using GrpcLlm.V1;

namespace GrpcLlm.Server.Requests;

/// <summary>Ranges of <see cref="SamplingOptions"/>. Stateless.</summary>
internal static class SamplingRules
{
    public static void Check(SamplingOptions? sampling, Violations violations)
    {
        if (sampling is null) return;
        if (sampling.HasTemperature) Within("temperature", sampling.Temperature, 0, 2, "0 to 2");
        if (sampling.HasTopP) Above("top_p", sampling.TopP, 1, "above 0 to 1");
        if (sampling is { HasTopK: true, TopK: > 1_000_000 })
            violations.AddOutOfRange("sampling.top_k", "0 to 1000000", sampling.TopK);
        if (sampling.HasMinP) Within("min_p", sampling.MinP, 0, 1, "0 to 1");
        if (sampling.HasPresencePenalty) Within("presence_penalty", sampling.PresencePenalty, -2, 2, "-2 to 2");
        if (sampling.HasFrequencyPenalty) Within("frequency_penalty", sampling.FrequencyPenalty, -2, 2, "-2 to 2");
        if (sampling.HasRepetitionPenalty) Above("repetition_penalty", sampling.RepetitionPenalty, 2, "above 0 to 2");
        foreach (var (id, bias) in sampling.LogitBias) Within($"logit_bias[{id}]", bias, -100, 100, "-100 to 100");

        // Comparisons with NaN are false, so each range is written as what is right, not as what is wrong.
        void Within(string name, double value, double least, double most, string range)
        {
            if (!(value >= least && value <= most)) violations.AddOutOfRange($"sampling.{name}", range, value);
        }

        void Above(string name, double value, double most, string range)
        {
            if (!(value > 0 && value <= most)) violations.AddOutOfRange($"sampling.{name}", range, value);
        }
    }
}
