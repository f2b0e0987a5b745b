using System.Text.Json;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>
/// <c>reasoning</c> of a request as the API's <c>thinking</c> and <c>output_config.effort</c>:
/// no reasoning asked for: <c>disabled</c>; a budget: <c>enabled</c> with it; an effort: <c>adaptive</c> with that effort
/// (MINIMAL is its lowest, <c>low</c>), or with <see cref="AnthropicOptions.EffortAsBudget"/> a budget of
/// 1024, 4096, 8192, 16384 or 24576 tokens, at most half of <c>max_output_tokens</c>.
/// </summary>
/// <param name="Type">Value of <c>thinking.type</c>; empty: not sent.</param>
/// <param name="Budget">Value of <c>thinking.budget_tokens</c>, with <c>enabled</c>.</param>
/// <param name="Effort">Value of <c>output_config.effort</c>; empty: not sent.</param>
internal readonly record struct AnthropicThinking(string Type, uint Budget, string Effort)
{
    /// <summary>Fewest budget tokens that the API takes.</summary>
    public const uint LeastBudget = 1024;

    /// <summary>Whether the model is told to think, which narrows what sampling and tool choice may be.</summary>
    public bool IsOn => Type is "enabled" or "adaptive";

    /// <summary>What is sent for a request.</summary>
    /// <param name="reasoning">The request's, if any.</param>
    /// <param name="options">How efforts are told.</param>
    /// <param name="maxOutputTokens">Most output tokens, reasoning included, if limited.</param>
    public static AnthropicThinking Of(ReasoningOptions? reasoning, AnthropicOptions options, uint? maxOutputTokens)
    {
        var effort = reasoning?.Effort ?? ReasoningEffort.Unspecified;
        var word = options.EffortAsBudget ? "" : WordOf(effort);
        if (reasoning is { HasBudgetTokens: true, BudgetTokens: > 0 })
            return new("enabled", Math.Min(reasoning.BudgetTokens, (maxOutputTokens ?? uint.MaxValue) - 1), word);
        if (effort == ReasoningEffort.None || reasoning is { HasBudgetTokens: true }) return new("disabled", 0, "");
        if (effort == ReasoningEffort.Unspecified) return new("", 0, "");
        return options.EffortAsBudget
            ? new("enabled", Math.Max(LeastBudget, Math.Min(BudgetOf(effort), (maxOutputTokens ?? uint.MaxValue) / 2)), "")
            : new("adaptive", 0, word);
    }

    /// <summary>Writes the property <c>thinking</c>, if there is anything to say.</summary>
    public void Write(Utf8JsonWriter json, string display)
    {
        if (Type.Length == 0) return;
        json.WriteStartObject("thinking");
        json.WriteString("type", Type);
        if (Type == "enabled") json.WriteNumber("budget_tokens", Budget);
        if (IsOn && display.Length > 0) json.WriteString("display", display);
        json.WriteEndObject();
    }

    private static string WordOf(ReasoningEffort effort) => effort switch
    {
        ReasoningEffort.Minimal or ReasoningEffort.Low => "low",
        ReasoningEffort.Medium => "medium",
        ReasoningEffort.High => "high",
        ReasoningEffort.Max => "max",
        _ => "",
    };

    private static uint BudgetOf(ReasoningEffort effort) => effort switch
    {
        ReasoningEffort.Minimal => LeastBudget,
        ReasoningEffort.Low => 4096,
        ReasoningEffort.Medium => 8192,
        ReasoningEffort.High => 16_384,
        _ => 24_576,
    };
}
