using GrpcLlm.Server.Backends.Embedded.Structured;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Names what a request asks for and a model cannot do. Field paths are in proto names.
/// </summary>
internal static class UnsupportedFields
{
    private const string OneMessage = "send `prompt`, or one user message of text parts, which are continued as plain text";

    private const string NoChatFormat = $"this model has no chat format; {OneMessage}";

    private const string NoOwnCalls =
        "this model cannot choose to call a tool: set tool_choice.mode to TOOL_CHOICE_MODE_REQUIRED or _NONE";

    private const string OnlyText = "is for answers of text, and a tool is called";

    /// <summary>Adds a violation for each such field.</summary>
    /// <param name="request">A valid request.</param>
    /// <param name="model">The model.</param>
    /// <param name="structure">The shapes that its output can have.</param>
    /// <param name="violations">Where they go.</param>
    public static void Find(
        GenerateRequest request, EmbeddedModel model, StructuredOutput structure, Violations violations)
    {
        if (model.Chat is { } chat) chat.FindUnsupported(request, violations);
        else FindInConversation(request.Conversation, model.ChatProblem, violations);
        FindInTools(request, violations);
        FindInShape(request, violations);
        structure.FindUnsupported(request, violations);
        FindInReasoning(request.Reasoning, violations);
        if (request.Sampling is { } sampling)
        {
            int vocabularySize = model.Vocabulary.Count;
            foreach (uint id in sampling.LogitBias.Keys.Order().Where(id => id >= vocabularySize))
                violations.Add($"sampling.logit_bias[{id}]", $"this model's token ids are 0 to {vocabularySize - 1}");
        }

        const string kind = EmbeddedBackend.BackendKind;
        if (request.ProviderOptionsJson.ContainsKey(kind))
            violations.Add($"provider_options_json[{kind}]", "this model has no options of its own");
    }

    /// <summary>Name of the member that a part holds.</summary>
    public static string MemberOf(ContentPart part) => part.ContentCase switch
    {
        ContentPart.ContentOneofCase.Text => "text",
        ContentPart.ContentOneofCase.Image => "image",
        ContentPart.ContentOneofCase.Reasoning => "reasoning",
        ContentPart.ContentOneofCase.ToolCall => "tool_call",
        ContentPart.ContentOneofCase.ToolResult => "tool_result",
        ContentPart.ContentOneofCase.Refusal => "refusal",
        _ => "content",
    };

    private static void FindInConversation(Conversation? conversation, string? chatProblem, Violations violations)
    {
        if (conversation is null) return;
        string reason = chatProblem is null ? NoChatFormat : $"the chat template of this model is not understood: {chatProblem}; {OneMessage}";
        if (conversation.Messages is not [{ Role: Role.User } message])
        {
            violations.Add("conversation.messages", reason);
            return;
        }

        for (int i = 0; i < message.Parts.Count; i++)
        {
            if (message.Parts[i].ContentCase != ContentPart.ContentOneofCase.Text)
                violations.Add($"conversation.messages[0].parts[{i}].{MemberOf(message.Parts[i])}", reason);
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
