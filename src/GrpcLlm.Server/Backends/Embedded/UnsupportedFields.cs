using GrpcLlm.Server.Backends.Embedded.Structured;
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

    private const string NoOwnCalls =
        "this model cannot choose to call a tool: set tool_choice.mode to TOOL_CHOICE_MODE_REQUIRED or _NONE";

    private const string OnlyText = "is for answers of text, and a tool is called";

    /// <summary>Adds a violation for each such field.</summary>
    /// <param name="request">A valid request.</param>
    /// <param name="vocabularySize">Number of the model's tokens.</param>
    /// <param name="structure">The shapes that its output can have.</param>
    /// <param name="violations">Where they go.</param>
    public static void Find(
        GenerateRequest request, int vocabularySize, StructuredOutput structure, Violations violations)
    {
        FindInConversation(request.Conversation, violations);
        FindInTools(request, violations);
        FindInShape(request, violations);
        structure.FindUnsupported(request, violations);
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
        ToolChoice choice = request.ToolChoice ?? new ToolChoice();
        if (choice.Mode is not (ToolChoiceMode.Required or ToolChoiceMode.None))
        {
            if (request.Tools.Count > 0) violations.Add("tools", NoOwnCalls);
            if (choice.Mode == ToolChoiceMode.Auto) violations.Add("tool_choice.mode", NoOwnCalls);
            if (choice.ToolNames.Count > 0) violations.Add("tool_choice.tool_names", NoOwnCalls);
        }

        if (choice.ParallelToolCalls) violations.Add("tool_choice.parallel_tool_calls", "this model makes one call");
    }

    private static void FindInShape(GenerateRequest request, Violations violations)
    {
        bool isCall = StructuredOutput.ForcedTools(request).Count > 0;
        string? format = request.Output?.ResponseFormat?.FormatCase switch
        {
            ResponseFormat.FormatOneofCase.JsonObject => "json_object",
            ResponseFormat.FormatOneofCase.JsonSchema => "json_schema",
            _ => null,
        };
        if (format is null && !isCall) return;
        if (request.Limits is { MinOutputTokens: > 0 })
            violations.Add("limits.min_output_tokens", "cannot be kept by an answer of a given shape");
        if (!isCall) return;
        if (format is not null) violations.Add($"output.response_format.{format}", OnlyText);
        if (request.Output is not { } output) return;
        if (output.Logprobs) violations.Add("output.logprobs", OnlyText);
        if (output.TopLogprobs > 0) violations.Add("output.top_logprobs", OnlyText);
        if (output.TokenIds) violations.Add("output.token_ids", OnlyText);
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
