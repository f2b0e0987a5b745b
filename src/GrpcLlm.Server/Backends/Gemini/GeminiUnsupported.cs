using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>Names what a request asks for and the Gemini API has no place for. Stateless.</summary>
internal static class GeminiUnsupported
{
    /// <summary>Adds a violation for each such field.</summary>
    public static void Find(GenerateRequest request, Violations violations)
    {
        if (request.Sampling is { } sampling) FindInSampling(sampling, violations);
        if (request.Limits is { HasMinOutputTokens: true })
            violations.Add("limits.min_output_tokens", "Gemini has no least length");
        if (request.Reasoning is { HasBudgetTokens: true, Effort: not ReasoningEffort.Unspecified })
            violations.Add("reasoning.budget_tokens", "Gemini takes a budget or an effort, not both");
        if (request.Reasoning is { HasBudgetTokens: true, BudgetTokens: > int.MaxValue })
            violations.AddOutOfRange("reasoning.budget_tokens", "at most 2147483647", request.Reasoning.BudgetTokens);

        // Several calls in one answer is what it does anyway.
        if (request.ToolChoice is { HasParallelToolCalls: true, ParallelToolCalls: false })
            violations.Add("tool_choice.parallel_tool_calls", "Gemini cannot be held to one call");
        if (request.Conversation is { } conversation) FindInConversation(conversation, violations);
    }

    private static void FindInSampling(SamplingOptions sampling, Violations violations)
    {
        if (sampling.HasMinP) violations.Add("sampling.min_p", "Gemini has no min_p");
        if (sampling.HasRepetitionPenalty) violations.Add("sampling.repetition_penalty", "Gemini has no repetition penalty");
        if (sampling.LogitBias.Count > 0) violations.Add("sampling.logit_bias", "Gemini has no logit bias");
        if (sampling is { HasTopK: true, TopK: 0 })
            violations.Add("sampling.top_k", "Gemini has no value for no limit: leave it out, or 1 and more");
        if (sampling is { HasSeed: true, Seed: < int.MinValue or > int.MaxValue })
            violations.AddOutOfRange("sampling.seed", "a 32-bit number for Gemini", sampling.Seed);
    }

    private static void FindInConversation(Conversation conversation, Violations violations)
    {
        var begun = false;
        var detail = ImageDetail.Unspecified;
        var anyImage = false;
        for (var index = 0; index < conversation.Messages.Count; index++)
        {
            var message = conversation.Messages[index];
            if (message.Role != Role.System) begun = true;
            else if (begun) violations.Add($"conversation.messages[{index}].role", "Gemini takes system messages only at the beginning");
            for (var part = 0; part < message.Parts.Count; part++)
            {
                var path = $"conversation.messages[{index}].parts[{part}]";
                if (message.Parts[part].Image is { } image) FindInImage(image, $"{path}.image");
                for (var inner = 0; inner < (message.Parts[part].ToolResult?.Parts.Count ?? 0); inner++)
                {
                    if (message.Parts[part].ToolResult.Parts[inner].Image is { } shown)
                        FindInImage(shown, $"{path}.tool_result.parts[{inner}].image");
                }
            }
        }

        void FindInImage(Image image, string path)
        {
            if (image.SourceCase == Image.SourceOneofCase.Url)
                violations.Add($"{path}.url", "Gemini fetches no images from the web: send data");
            if (anyImage && image.Detail != detail)
                violations.Add($"{path}.detail", "Gemini reads all images of a request at one resolution");
            anyImage = true;
            detail = image.Detail;
        }
    }
}
