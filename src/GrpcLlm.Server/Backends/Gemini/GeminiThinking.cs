using System.Text.Json;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>
/// Writes <c>thinkingConfig</c>. A budget is <c>thinkingBudget</c>, 0 turns thinking off (as does effort NONE; a model that
/// cannot be silent refuses it). Effort is <c>thinkingLevel</c> from the third generation on, and before it the budget
/// that the provider's own OpenAI-style endpoint takes for the word: 1,024 for MINIMAL and LOW, 8,192 for MEDIUM, 24,576
/// for HIGH; MAX is the most that the model takes. Who sets either gets summaries of the thoughts. Stateless.
/// </summary>
internal static class GeminiThinking
{
    private const uint LowBudget = 1024;
    private const uint MediumBudget = 8192;
    private const uint HighBudget = 24_576;
    private const uint MaxProBudget = 32_768;

    /// <summary>Writes the property; none where nothing is asked for.</summary>
    public static void Write(Utf8JsonWriter json, BackendCall call, GeminiOptions options)
    {
        var reasoning = call.Request.Reasoning;
        var effort = reasoning?.Effort ?? ReasoningEffort.Unspecified;
        var budget = reasoning is { HasBudgetTokens: true } ? reasoning.BudgetTokens : (uint?)null;
        var level = (string?)null;
        if (effort == ReasoningEffort.None) budget = 0;
        else if (GeminiModelNames.IsThirdGeneration(call.Model)) level = LevelOf(effort);
        else budget ??= BudgetOf(effort, call.Model);

        var asked = level is not null || budget is not null;
        if (!asked && !options.IncludeThoughts) return;
        json.WriteStartObject("thinkingConfig"u8);
        if (level is not null) json.WriteString("thinkingLevel"u8, level);
        if (budget is { } tokens) json.WriteNumber("thinkingBudget"u8, tokens);
        if (budget != 0) json.WriteBoolean("includeThoughts"u8, true);
        json.WriteEndObject();
    }

    private static string? LevelOf(ReasoningEffort effort) => effort switch
    {
        ReasoningEffort.Minimal => "minimal",
        ReasoningEffort.Low => "low",
        ReasoningEffort.Medium => "medium",
        ReasoningEffort.High or ReasoningEffort.Max => "high",
        _ => null,
    };

    private static uint? BudgetOf(ReasoningEffort effort, string model) => effort switch
    {
        ReasoningEffort.Minimal or ReasoningEffort.Low => LowBudget,
        ReasoningEffort.Medium => MediumBudget,
        ReasoningEffort.High => HighBudget,
        ReasoningEffort.Max => GeminiModelNames.IsPro(model) ? MaxProBudget : HighBudget,
        _ => null,
    };
}
