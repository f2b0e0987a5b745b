using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Names what a request asks for and a model that only continues text cannot do. Field paths are in proto names.
/// </summary>
internal static class UnsupportedFields
{
    private const string NoChatFormat =
        "this model has no chat format: it continues plain text; send `prompt`, or one user message of text parts";

    private const string NoTools = "this model cannot call tools";

    /// <summary>Adds a violation for each such field.</summary>
    /// <param name="request">A valid request.</param>
    /// <param name="vocabularySize">Number of the model's tokens.</param>
    /// <param name="violations">Where they go.</param>
    public static void Find(GenerateRequest request, int vocabularySize, Violations violations)
    {
        FindInConversation(request.Conversation, violations);
        FindInTools(request, violations);
        FindInOutput(request.Output?.ResponseFormat, violations);
        FindInReasoning(request.Reasoning, violations);
        if (request.Sampling is { } sampling)
        {
            foreach (uint id in sampling.LogitBias.Keys.Order().Where(id => id >= vocabularySize))
                violations.Add($"sampling.logit_bias[{id}]", $"this model's token ids are 0 to {vocabularySize - 1}");
        }

        const string kind = EmbeddedBackend.BackendKind;
        if (request.ProviderOptionsJson.ContainsKey(kind))
            violations.Add($"provider_options_json[{kind}]", "this model has no options of its own");
    }

    private static void FindInConversation(Conversation? conversation, Violations violations)
    {
        if (conversation is null) return;
        if (conversation.Messages is not [{ Role: Role.User }])
        {
            violations.Add("conversation.messages", NoChatFormat);
            return;
        }

        for (int i = 0; i < conversation.Messages[0].Parts.Count; i++)
        {
            string? member = conversation.Messages[0].Parts[i].ContentCase switch
            {
                ContentPart.ContentOneofCase.Text => null,
                ContentPart.ContentOneofCase.Image => "image",
                ContentPart.ContentOneofCase.Reasoning => "reasoning",
                ContentPart.ContentOneofCase.ToolCall => "tool_call",
                ContentPart.ContentOneofCase.ToolResult => "tool_result",
                ContentPart.ContentOneofCase.Refusal => "refusal",
                _ => "content",
            };
            if (member is not null) violations.Add($"conversation.messages[0].parts[{i}].{member}", NoChatFormat);
        }
    }

    private static void FindInTools(GenerateRequest request, Violations violations)
    {
        if (request.Tools.Count > 0) violations.Add("tools", NoTools);
        if (request.ToolChoice is not { } choice) return;
        if (choice.Mode is not (ToolChoiceMode.Unspecified or ToolChoiceMode.None))
            violations.Add("tool_choice.mode", $"{NoTools}: leave it out, or TOOL_CHOICE_MODE_NONE");
        if (choice.ToolNames.Count > 0) violations.Add("tool_choice.tool_names", NoTools);
        if (choice.HasParallelToolCalls) violations.Add("tool_choice.parallel_tool_calls", NoTools);
    }

    private static void FindInOutput(ResponseFormat? format, Violations violations)
    {
        string? member = format?.FormatCase switch
        {
            ResponseFormat.FormatOneofCase.JsonObject => "json_object",
            ResponseFormat.FormatOneofCase.JsonSchema => "json_schema",
            _ => null,
        };
        if (member is not null) violations.Add($"output.response_format.{member}", "this model writes plain text only");
    }

    private static void FindInReasoning(ReasoningOptions? reasoning, Violations violations)
    {
        if (reasoning is null) return;
        if (reasoning.Effort is not (ReasoningEffort.Unspecified or ReasoningEffort.None))
            violations.Add("reasoning.effort", "this model does not reason: leave it out, or REASONING_EFFORT_NONE");
        if (reasoning is { HasBudgetTokens: true, BudgetTokens: > 0 })
            violations.Add("reasoning.budget_tokens", "this model does not reason: leave it out, or 0");
    }
}
