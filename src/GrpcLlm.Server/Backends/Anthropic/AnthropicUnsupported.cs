using System.Text.RegularExpressions;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>
/// Names what the messages API cannot take. A value that changes nothing (a penalty of 0, <c>min_p</c> 0) is no violation.
/// What depends on the model is left to the provider's own refusal. Stateless and thread-safe.
/// </summary>
internal static partial class AnthropicUnsupported
{
    private const string NoParameter = "this provider has no such parameter";

    /// <summary>Adds a violation for each such field of a valid request.</summary>
    public static void Find(GenerateRequest request, AnthropicOptions options, Violations violations)
    {
        var limits = request.Limits;
        uint? most = limits is { HasMaxOutputTokens: true } ? limits.MaxOutputTokens : null;
        var thinking = AnthropicThinking.Of(request.Reasoning, options, most);
        FindInConversation(request.Conversation, violations);
        FindInSampling(request.Sampling, thinking.IsOn, violations);
        FindInReasoning(request.Reasoning, options, most, violations);
        FindInOutput(request.Output, violations);
        if (limits is { MinOutputTokens: > 0 }) violations.Add("limits.min_output_tokens", NoParameter);
        if (thinking.IsOn && request.ToolChoice?.Mode == ToolChoiceMode.Required)
            violations.Add("tool_choice.mode", "this provider cannot force a tool while the model reasons");
    }

    private static void FindInConversation(Conversation? conversation, Violations violations)
    {
        if (conversation is null) return;
        if (conversation.Messages.All(static message => message.Role == Role.System))
            violations.Add("conversation.messages", "must hold a message other than of ROLE_SYSTEM for this provider");
        for (var i = 0; i < conversation.Messages.Count; i++)
        {
            var parts = conversation.Messages[i].Parts;
            for (var j = 0; j < parts.Count; j++) FindInPart(parts[j], $"conversation.messages[{i}].parts[{j}]", violations);
        }
    }

    private static void FindInPart(ContentPart part, string path, Violations violations)
    {
        switch (part.ContentCase)
        {
            case ContentPart.ContentOneofCase.Image:
                if (part.Image.Detail != ImageDetail.Unspecified) violations.Add($"{path}.image.detail", NoParameter);
                if (part.Image.SourceCase == Image.SourceOneofCase.Data
                    && part.Image.MediaType is not ("image/jpeg" or "image/png" or "image/gif" or "image/webp"))
                    violations.Add($"{path}.image.media_type", "this provider takes image/jpeg, image/png, image/gif and image/webp");
                break;
            case ContentPart.ContentOneofCase.ToolCall:
                CheckId(part.ToolCall.Id, $"{path}.tool_call.id", violations);
                break;
            case ContentPart.ContentOneofCase.ToolResult:
                CheckId(part.ToolResult.ToolCallId, $"{path}.tool_result.tool_call_id", violations);
                for (var i = 0; i < part.ToolResult.Parts.Count; i++)
                    FindInPart(part.ToolResult.Parts[i], $"{path}.tool_result.parts[{i}]", violations);
                break;
        }
    }

    private static void CheckId(string id, string path, Violations violations)
    {
        if (!IdPattern().IsMatch(id)) violations.Add(path, "this provider takes ids of [A-Za-z0-9_-] only");
    }

    private static void FindInSampling(SamplingOptions? sampling, bool thinks, Violations violations)
    {
        if (sampling is null) return;
        if (sampling is { HasTemperature: true, Temperature: > 1 })
            violations.AddOutOfRange("sampling.temperature", "0 to 1 for this provider", sampling.Temperature);
        if (sampling.MinP > 0) violations.Add("sampling.min_p", NoParameter);
        if (sampling.HasSeed) violations.Add("sampling.seed", NoParameter);
        if (sampling.PresencePenalty != 0) violations.Add("sampling.presence_penalty", NoParameter);
        if (sampling.FrequencyPenalty != 0) violations.Add("sampling.frequency_penalty", NoParameter);
        if (sampling is { HasRepetitionPenalty: true } and not { RepetitionPenalty: 1 })
            violations.Add("sampling.repetition_penalty", NoParameter);
        if (sampling.LogitBias.Count > 0) violations.Add("sampling.logit_bias", NoParameter);
        if (!thinks) return;

        // https://platform.claude.com/docs/en/build-with-claude/extended-thinking, "Feature compatibility".
        if (sampling is { HasTemperature: true, Temperature: < 1 })
            violations.Add("sampling.temperature", "must be 1 or absent while the model reasons");
        if (sampling is { HasTopP: true, TopP: < 0.95 })
            violations.Add("sampling.top_p", "must be 0.95 to 1 or absent while the model reasons");
        if (sampling.TopK > 0) violations.Add("sampling.top_k", "must be 0 or absent while the model reasons");
    }

    private static void FindInReasoning(
        ReasoningOptions? reasoning, AnthropicOptions options, uint? most, Violations violations)
    {
        const string budget = "reasoning.budget_tokens";
        if (reasoning is null) return;
        var hasEffort = reasoning.Effort is not (ReasoningEffort.Unspecified or ReasoningEffort.None);
        if (!reasoning.HasBudgetTokens)
        {
            if (hasEffort && options.EffortAsBudget && most <= AnthropicThinking.LeastBudget)
                violations.Add("reasoning.effort", $"needs limits.max_output_tokens above {AnthropicThinking.LeastBudget}");
            return;
        }

        if (reasoning.BudgetTokens is > 0 and < AnthropicThinking.LeastBudget)
            violations.AddOutOfRange(budget, $"0, or {AnthropicThinking.LeastBudget} or more", reasoning.BudgetTokens);
        else if (reasoning.BudgetTokens > 0 && reasoning.BudgetTokens >= most)
            violations.Add(budget, "must be below limits.max_output_tokens");
        if (reasoning.BudgetTokens == 0 ? hasEffort : reasoning.Effort == ReasoningEffort.None)
            violations.Add(budget, "contradicts reasoning.effort");
        else if (reasoning.BudgetTokens > 0 && hasEffort && options.EffortAsBudget)
            violations.Add(budget, "cannot stand beside reasoning.effort: this backend takes only one");
    }

    private static void FindInOutput(OutputOptions? output, Violations violations)
    {
        if (output is null) return;
        if (output.Logprobs) violations.Add("output.logprobs", NoParameter);
        if (output.TopLogprobs > 0) violations.Add("output.top_logprobs", NoParameter);
        if (output.TokenIds) violations.Add("output.token_ids", NoParameter);
        if (output.ResponseFormat?.FormatCase == ResponseFormat.FormatOneofCase.JsonObject)
            violations.Add("output.response_format.json_object", "this provider writes JSON to a schema only");
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_-]+\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex IdPattern();
}
