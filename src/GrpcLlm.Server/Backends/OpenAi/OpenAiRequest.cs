using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>
/// Writes a request of ours as a body of chat completions (https://platform.openai.com/docs/api-reference/chat/create).
/// <list type="bullet">
/// <item>Stop sequences are not sent: the provider does not say which one it found, so the relay matches them.</item>
/// <item>Names in <c>tool_choice</c> narrow the list of tools that is sent; the form of OpenAI's own for that
/// (<c>allowed_tools</c>) is known to it alone. One name that is required is forced in the common form.</item>
/// <item>A choice of tools and <c>parallel_tool_calls</c> mean nothing without tools, and the provider refuses them:
/// they are left out then.</item>
/// <item><c>reasoning.budget_tokens</c> 0 is the effort <c>none</c>; REASONING_EFFORT_MAX is <c>xhigh</c>.</item>
/// </list>
/// Stateless and thread-safe.
/// </summary>
internal static class OpenAiRequest
{
    /// <summary>Parameters that fields of the contract set.</summary>
    public static FrozenSet<string> Parameters { get; } = FrozenSet.Create(
        StringComparer.Ordinal,
        "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p",
        "seed", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "response_format",
        "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "reasoning_effort", "user", "stop",
        "n", "top_k", "min_p", "repetition_penalty", "min_tokens");

    /// <summary>Writes the properties of a generation.</summary>
    public static void Write(Utf8JsonWriter json, BackendCall call, OpenAiOptions options)
    {
        var request = call.Request;
        json.WriteString("model", call.Model);
        OpenAiMessages.Write(json, request);
        json.WriteBoolean("stream", true);
        if (options.IncludeUsage)
        {
            json.WriteStartObject("stream_options");
            json.WriteBoolean("include_usage", true);
            json.WriteEndObject();
        }

        if (call.MaxOutputTokens is { } most) json.WriteNumber(options.MaxTokensField, most);
        if (request.Limits is { HasMinOutputTokens: true } limits) json.WriteNumber("min_tokens", limits.MinOutputTokens);
        if (request.Sampling is { } sampling) WriteSampling(json, sampling);
        WriteOutput(json, request.Output);
        WriteTools(json, request);
        if (EffortOf(request.Reasoning) is { } effort) json.WriteString("reasoning_effort", effort);
        if (request.EndUserId.Length > 0) json.WriteString("user", request.EndUserId);
    }

    /// <summary>Writes the body of vLLM's <c>/tokenize</c> for a conversation.</summary>
    public static void WriteTokenize(Utf8JsonWriter json, BackendCall call)
    {
        json.WriteStartObject();
        json.WriteString("model", call.Model);
        OpenAiMessages.Write(json, call.Request);
        json.WriteBoolean("add_generation_prompt", true);
        WriteTools(json, call.Request);
        json.WriteEndObject();
    }

    private static void WriteSampling(Utf8JsonWriter json, SamplingOptions sampling)
    {
        if (sampling.HasTemperature) json.WriteNumber("temperature", sampling.Temperature);
        if (sampling.HasTopP) json.WriteNumber("top_p", sampling.TopP);
        if (sampling.HasTopK) json.WriteNumber("top_k", sampling.TopK);
        if (sampling.HasMinP) json.WriteNumber("min_p", sampling.MinP);
        if (sampling.HasSeed) json.WriteNumber("seed", sampling.Seed);
        if (sampling.HasPresencePenalty) json.WriteNumber("presence_penalty", sampling.PresencePenalty);
        if (sampling.HasFrequencyPenalty) json.WriteNumber("frequency_penalty", sampling.FrequencyPenalty);
        if (sampling.HasRepetitionPenalty) json.WriteNumber("repetition_penalty", sampling.RepetitionPenalty);
        if (sampling.LogitBias.Count == 0) return;
        json.WriteStartObject("logit_bias");
        foreach (var (id, bias) in sampling.LogitBias)
            json.WriteNumber(id.ToString(CultureInfo.InvariantCulture), bias);
        json.WriteEndObject();
    }

    private static void WriteOutput(Utf8JsonWriter json, OutputOptions? output)
    {
        if (output is null) return;
        if (output.Logprobs || output.TopLogprobs > 0) json.WriteBoolean("logprobs", true);
        if (output.TopLogprobs > 0) json.WriteNumber("top_logprobs", output.TopLogprobs);
        switch (output.ResponseFormat?.FormatCase)
        {
            case ResponseFormat.FormatOneofCase.JsonObject:
                json.WriteStartObject("response_format");
                json.WriteString("type", "json_object");
                json.WriteEndObject();
                break;
            case ResponseFormat.FormatOneofCase.JsonSchema:
                WriteSchema(json, output.ResponseFormat.JsonSchema);
                break;
        }
    }

    private static void WriteSchema(Utf8JsonWriter json, JsonSchemaFormat format)
    {
        json.WriteStartObject("response_format");
        json.WriteString("type", "json_schema");
        json.WriteStartObject("json_schema");
        json.WriteString("name", format.Name.Length > 0 ? format.Name : "answer");
        json.WritePropertyName("schema");
        json.WriteRawValue(format.JsonSchema);
        if (format.HasStrict) json.WriteBoolean("strict", format.Strict);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteTools(Utf8JsonWriter json, GenerateRequest request)
    {
        if (request.Tools.Count == 0) return;
        var choice = request.ToolChoice;
        var isForced = choice is { Mode: ToolChoiceMode.Required, ToolNames.Count: 1 };
        json.WriteStartArray("tools");
        foreach (var tool in request.Tools)
        {
            if (choice is not { ToolNames.Count: > 0 } || isForced || choice.ToolNames.Contains(tool.Name)) WriteTool(json, tool);
        }

        json.WriteEndArray();
        if (choice is null) return;
        if (isForced)
        {
            json.WriteStartObject("tool_choice");
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", choice.ToolNames[0]);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        else if (choice.Mode != ToolChoiceMode.Unspecified)
        {
            json.WriteString("tool_choice", choice.Mode switch
            {
                ToolChoiceMode.None => "none",
                ToolChoiceMode.Required => "required",
                _ => "auto",
            });
        }

        if (choice.HasParallelToolCalls) json.WriteBoolean("parallel_tool_calls", choice.ParallelToolCalls);
    }

    private static void WriteTool(Utf8JsonWriter json, Tool tool)
    {
        json.WriteStartObject();
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        json.WriteString("name", tool.Name);
        if (tool.Description.Length > 0) json.WriteString("description", tool.Description);
        json.WritePropertyName("parameters");
        json.WriteRawValue(tool.ParametersJsonSchema.Length > 0
            ? tool.ParametersJsonSchema : """{"type":"object","properties":{}}""");
        if (tool.HasStrict) json.WriteBoolean("strict", tool.Strict);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static string? EffortOf(ReasoningOptions? reasoning) => reasoning?.Effort switch
    {
        ReasoningEffort.None => "none",
        ReasoningEffort.Minimal => "minimal",
        ReasoningEffort.Low => "low",
        ReasoningEffort.Medium => "medium",
        ReasoningEffort.High => "high",
        ReasoningEffort.Max => "xhigh",
        _ when reasoning is { HasBudgetTokens: true, BudgetTokens: 0 } => "none",
        _ => null,
    };
}
