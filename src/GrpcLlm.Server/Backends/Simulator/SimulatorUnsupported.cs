using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>Which fields of a request need a model, so that the simulator refuses them. Stateless and thread-safe.</summary>
internal static class SimulatorUnsupported
{
    private const string NoModel = "is not served by the simulator, which has no model";

    /// <summary>Names each of them.</summary>
    public static void Find(GenerateRequest request, Violations violations)
    {
        if (request.Tools.Count > 0) violations.Add("tools", NoModel);
        if (request.ToolChoice is { Mode: ToolChoiceMode.Required }) violations.Add("tool_choice", NoModel);
        if (request.Reasoning is { } reasoning && (reasoning.Effort is not (ReasoningEffort.Unspecified or ReasoningEffort.None)
            || reasoning is { HasBudgetTokens: true, BudgetTokens: > 0 }))
            violations.Add("reasoning", NoModel);
        if (request.ProviderOptionsJson.ContainsKey(SimulatorBackend.BackendKind))
            violations.Add($"provider_options_json[{SimulatorBackend.BackendKind}]", NoModel);
        if (request.Sampling is { LogitBias.Count: > 0 }) violations.Add("sampling.logit_bias", NoModel);
        if (request.Conversation is { } conversation && conversation.Messages.Any(
            static message => message.Parts.Any(HoldsImage)))
            violations.Add("conversation", "images: " + NoModel);
        if (request.Output is not { } output) return;

        if (output.Logprobs) violations.Add("output.logprobs", NoModel);
        if (output.TopLogprobs > 0) violations.Add("output.top_logprobs", NoModel);
        if (output.TokenIds) violations.Add("output.token_ids", NoModel);
        if (output.ResponseFormat is { FormatCase: not (ResponseFormat.FormatOneofCase.None or ResponseFormat.FormatOneofCase.Text) })
            violations.Add("output.response_format", NoModel);
    }

    private static bool HoldsImage(ContentPart part) =>
        part.Image is not null || (part.ToolResult is { } result && result.Parts.Any(HoldsImage));
}
