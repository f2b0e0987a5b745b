using GrpcLlm.Server.Requests;
using GrpcLlm.V1;
using Content = GrpcLlm.V1.ContentPart.ContentOneofCase;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>Names what a request asks for and chat completions cannot do. Stateless and thread-safe.</summary>
internal static class OpenAiUnsupported
{
    private const string NotStandard =
        "is no parameter of chat completions; servers that take it need ExtendedSampling in this backend's settings";

    /// <summary>Adds a violation for each such field.</summary>
    public static void Find(GenerateRequest request, OpenAiOptions options, Violations violations)
    {
        if (!options.ExtendedSampling)
        {
            if (request.Sampling is { HasTopK: true }) violations.Add("sampling.top_k", NotStandard);
            if (request.Sampling is { HasMinP: true }) violations.Add("sampling.min_p", NotStandard);
            if (request.Sampling is { HasRepetitionPenalty: true }) violations.Add("sampling.repetition_penalty", NotStandard);
            if (request.Limits is { HasMinOutputTokens: true }) violations.Add("limits.min_output_tokens", NotStandard);
        }

        if (request.Output is { TokenIds: true }) violations.Add("output.token_ids", "the provider does not tell token ids");
        FindInReasoning(request.Reasoning, violations);
        FindInConversation(request.Conversation, violations);
    }

    private static void FindInReasoning(ReasoningOptions? reasoning, Violations violations)
    {
        if (reasoning is not { HasBudgetTokens: true }) return;
        if (reasoning.BudgetTokens > 0)
            violations.Add("reasoning.budget_tokens", "the provider takes an effort only; 0 turns reasoning off");
        else if (reasoning.Effort is not (ReasoningEffort.Unspecified or ReasoningEffort.None))
            violations.Add("reasoning.budget_tokens", "0 turns reasoning off, and reasoning.effort asks for it");
    }

    private static void FindInConversation(Conversation? conversation, Violations violations)
    {
        for (var i = 0; i < conversation?.Messages.Count; i++)
        {
            var parts = conversation.Messages[i].Parts;
            for (var j = 0; j < parts.Count; j++)
            {
                if (parts[j].ContentCase != Content.ToolResult) continue;
                var inner = parts[j].ToolResult.Parts;
                for (var k = 0; k < inner.Count; k++)
                {
                    if (inner[k].ContentCase == Content.Image)
                        violations.Add(
                            $"conversation.messages[{i}].parts[{j}].tool_result.parts[{k}].image",
                            "the provider takes text only as the result of a tool");
                }
            }
        }
    }
}
