using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Ollama;

/// <summary>Names what a request asks for and Ollama's native API has no place for. Stateless.</summary>
internal static class OllamaUnsupported
{
    /// <summary>Adds a violation for each such field.</summary>
    public static void Find(GenerateRequest request, Violations violations)
    {
        if (request.Sampling is { LogitBias.Count: > 0 })
            violations.Add("sampling.logit_bias", "Ollama has no logit bias");
        if (request.Limits is { HasMinOutputTokens: true })
            violations.Add("limits.min_output_tokens", "Ollama has no least length");
        if (request.Output is { TokenIds: true })
            violations.Add("output.token_ids", "Ollama does not tell token ids");
        FindInReasoning(request.Reasoning, violations);
        FindInTools(request, violations);
        for (var index = 0; index < (request.Conversation?.Messages.Count ?? 0); index++)
            FindInMessage(request.Conversation!.Messages[index], $"conversation.messages[{index}]", violations);
    }

    private static void FindInReasoning(ReasoningOptions? reasoning, Violations violations)
    {
        if (reasoning is not { HasBudgetTokens: true }) return;
        if (reasoning.BudgetTokens > 0)
            violations.Add("reasoning.budget_tokens", "Ollama has no budget of reasoning: 0 turns it off, effort sets how much");
        else if (reasoning.Effort is not (ReasoningEffort.Unspecified or ReasoningEffort.None))
            violations.Add("reasoning.budget_tokens", "Ollama takes a budget of 0 or an effort, not both");
    }

    private static void FindInTools(GenerateRequest request, Violations violations)
    {
        for (var index = 0; index < request.Tools.Count; index++)
        {
            if (request.Tools[index].Strict)
                violations.Add($"tools[{index}].strict", "Ollama cannot hold a model to the schema of arguments");
        }

        if (request.ToolChoice is not { } choice) return;
        if (choice.Mode == ToolChoiceMode.Required)
            violations.Add("tool_choice.mode", "Ollama cannot make a model call a tool");

        // Several calls in one answer is what it does anyway.
        if (choice is { HasParallelToolCalls: true, ParallelToolCalls: false })
            violations.Add("tool_choice.parallel_tool_calls", "Ollama cannot hold a model to one call");
    }

    private static void FindInMessage(ConversationMessage message, string path, Violations violations)
    {
        for (var index = 0; index < message.Parts.Count; index++)
        {
            var part = message.Parts[index];
            var partPath = $"{path}.parts[{index}]";
            if (part.ContentCase == ContentPart.ContentOneofCase.Image) FindInImage(part.Image, $"{partPath}.image", violations);
            if (part.ContentCase != ContentPart.ContentOneofCase.ToolResult) continue;
            for (var inner = 0; inner < part.ToolResult.Parts.Count; inner++)
            {
                if (part.ToolResult.Parts[inner].ContentCase == ContentPart.ContentOneofCase.Image)
                    violations.Add($"{partPath}.tool_result.parts[{inner}].image", "Ollama takes only text as the result of a tool");
            }
        }
    }

    private static void FindInImage(Image image, string path, Violations violations)
    {
        if (image.SourceCase == Image.SourceOneofCase.Url)
            violations.Add($"{path}.url", "Ollama fetches no images: send data");
        if (image.Detail != ImageDetail.Unspecified)
            violations.Add($"{path}.detail", "Ollama has one resolution of images");
    }
}
