using System.Text.Json;
using GrpcLlm.V1;
using Format = GrpcLlm.V1.ResponseFormat.FormatOneofCase;

namespace GrpcLlm.Server.Backends.Ollama;

/// <summary>
/// Writes the body of <c>/api/chat</c>: everything but the messages. Rules, where the API differs from the contract:
/// <list type="bullet">
/// <item><c>tool_choice</c>: NONE sends no tools, and <c>tool_names</c> sends only those named.</item>
/// <item>Effort of reasoning becomes <c>think</c>: false for NONE, <c>low</c> for MINIMAL and LOW, <c>medium</c>,
/// <c>high</c> for HIGH and MAX. Models without levels take any of these as true.</item>
/// <item><c>truncate</c> is false: a prompt that does not fit is an error; the server would cut its beginning in silence.</item>
/// <item>A schema always binds here, so <c>json_schema.strict</c> changes nothing; its <c>name</c>, which only labels, and
/// <c>end_user_id</c> have no place and are left out.</item>
/// <item>Stop sequences are not sent: the server does not say which one it found; the relay matches them.</item>
/// </list>
/// Stateless and thread-safe.
/// </summary>
internal static class OllamaRequest
{
    /// <summary>Writes the properties of the body.</summary>
    public static void Write(Utf8JsonWriter json, BackendCall call, OllamaOptions options)
    {
        var request = call.Request;
        json.WriteString("model"u8, call.Model);
        OllamaMessages.Write(json, request);
        json.WriteBoolean("stream"u8, true);
        json.WriteBoolean("truncate"u8, false);
        WriteTools(json, request);
        WriteThink(json, request.Reasoning);
        WriteFormat(json, request.Output?.ResponseFormat);
        if (request.Output is { } output && (output.Logprobs || output.TopLogprobs > 0))
        {
            json.WriteBoolean("logprobs"u8, true);
            if (output.TopLogprobs > 0) json.WriteNumber("top_logprobs"u8, output.TopLogprobs);
        }

        WriteOptions(json, call, options);
    }

    private static void WriteTools(Utf8JsonWriter json, GenerateRequest request)
    {
        if (request.Tools.Count == 0 || request.ToolChoice?.Mode == ToolChoiceMode.None) return;
        json.WriteStartArray("tools"u8);
        foreach (var tool in request.Tools)
        {
            if (request.ToolChoice is { ToolNames.Count: > 0 } choice && !choice.ToolNames.Contains(tool.Name)) continue;
            json.WriteStartObject();
            json.WriteString("type"u8, "function"u8);
            json.WriteStartObject("function"u8);
            json.WriteString("name"u8, tool.Name);
            if (tool.Description.Length > 0) json.WriteString("description"u8, tool.Description);
            json.WritePropertyName("parameters"u8);

            // Templates read these two whether or not the tool has arguments.
            json.WriteRawValue(
                tool.ParametersJsonSchema.Length > 0 ? tool.ParametersJsonSchema : """{"type":"object","properties":{}}""",
                skipInputValidation: true);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteThink(Utf8JsonWriter json, ReasoningOptions? reasoning)
    {
        if (reasoning is { HasBudgetTokens: true } || reasoning?.Effort == ReasoningEffort.None)
        {
            json.WriteBoolean("think"u8, false);
            return;
        }

        var level = reasoning?.Effort switch
        {
            ReasoningEffort.Minimal or ReasoningEffort.Low => "low",
            ReasoningEffort.Medium => "medium",
            ReasoningEffort.High or ReasoningEffort.Max => "high",
            _ => null,
        };
        if (level is not null) json.WriteString("think"u8, level);
    }

    private static void WriteFormat(Utf8JsonWriter json, ResponseFormat? format)
    {
        if (format?.FormatCase == Format.JsonObject) json.WriteString("format"u8, "json"u8);
        if (format?.FormatCase != Format.JsonSchema) return;
        json.WritePropertyName("format"u8);
        json.WriteRawValue(format.JsonSchema.JsonSchema, skipInputValidation: true);
    }

    private static void WriteOptions(Utf8JsonWriter json, BackendCall call, OllamaOptions options)
    {
        json.WriteStartObject("options"u8);
        if (options.ContextWindow is { } window) json.WriteNumber("num_ctx"u8, window);
        if (call.MaxOutputTokens is { } most) json.WriteNumber("num_predict"u8, most);
        if (call.Request.Sampling is { } sampling)
        {
            if (sampling.HasTemperature) json.WriteNumber("temperature"u8, sampling.Temperature);
            if (sampling.HasTopP) json.WriteNumber("top_p"u8, sampling.TopP);
            if (sampling.HasTopK) json.WriteNumber("top_k"u8, sampling.TopK);
            if (sampling.HasMinP) json.WriteNumber("min_p"u8, sampling.MinP);
            if (sampling.HasSeed) json.WriteNumber("seed"u8, sampling.Seed);
            if (sampling.HasPresencePenalty) json.WriteNumber("presence_penalty"u8, sampling.PresencePenalty);
            if (sampling.HasFrequencyPenalty) json.WriteNumber("frequency_penalty"u8, sampling.FrequencyPenalty);
            if (sampling.HasRepetitionPenalty) json.WriteNumber("repeat_penalty"u8, sampling.RepetitionPenalty);
        }

        json.WriteEndObject();
    }
}
