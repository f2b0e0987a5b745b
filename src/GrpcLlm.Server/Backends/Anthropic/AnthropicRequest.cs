using System.Text.Json;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>
/// Writes the body of <c>POST messages</c>. Rules where the API has no equal field:
/// <list type="bullet">
/// <item><c>limits.max_output_tokens</c> absent: <see cref="AnthropicOptions.DefaultMaxOutputTokens"/> plus the reasoning
/// budget, for <c>max_tokens</c> is required and includes it.</item>
/// <item><c>sampling.top_k</c> 0 (no limit) is what the API does without the parameter: left out.</item>
/// <item>A stop sequence of white space alone is refused by the API: left to the relay, which matches all of them.</item>
/// <item><c>tool_choice.tool_names</c>: one name with REQUIRED is sent as such; otherwise only the named tools are sent.</item>
/// <item><c>response_format.json_schema.name</c> is dropped, for the API has no names; its output always matches exactly,
/// so <c>strict</c> is met either way.</item>
/// </list>
/// Stateless and thread-safe.
/// </summary>
internal static class AnthropicRequest
{
    private const string NoArguments = """{"type":"object","properties":{}}""";

    /// <summary>Writes all properties of a generation.</summary>
    public static void Write(Utf8JsonWriter json, BackendCall call, AnthropicOptions options)
    {
        var request = call.Request;
        var thinking = AnthropicThinking.Of(request.Reasoning, options, call.MaxOutputTokens);
        WriteInput(json, call, options);
        json.WriteNumber("max_tokens", call.MaxOutputTokens ?? (uint)options.DefaultMaxOutputTokens + thinking.Budget);
        json.WriteBoolean("stream", true);
        WriteSampling(json, request.Sampling);
        WriteStops(json, request.Limits);
        if (request.EndUserId.Length == 0) return;
        json.WriteStartObject("metadata");
        json.WriteString("user_id", request.EndUserId);
        json.WriteEndObject();
    }

    /// <summary>Writes the properties that count as input: all that <c>messages/count_tokens</c> takes.</summary>
    public static void WriteInput(Utf8JsonWriter json, BackendCall call, AnthropicOptions options)
    {
        var request = call.Request;
        var thinking = AnthropicThinking.Of(request.Reasoning, options, call.MaxOutputTokens);
        json.WriteString("model", call.Model);
        AnthropicMessages.Write(json, request);
        thinking.Write(json, options.ThinkingDisplay);
        WriteOutput(json, request.Output?.ResponseFormat, thinking.Effort);
        if (request.Tools.Count == 0) return;
        WriteTools(json, request);
        WriteToolChoice(json, request.ToolChoice);
    }

    private static void WriteSampling(Utf8JsonWriter json, SamplingOptions? sampling)
    {
        if (sampling is null) return;
        if (sampling.HasTemperature) json.WriteNumber("temperature", sampling.Temperature);
        if (sampling.HasTopP) json.WriteNumber("top_p", sampling.TopP);
        if (sampling.TopK > 0) json.WriteNumber("top_k", sampling.TopK);
    }

    private static void WriteStops(Utf8JsonWriter json, GenerationLimits? limits)
    {
        var stops = limits?.StopSequences.Where(static stop => !string.IsNullOrWhiteSpace(stop)).ToList() ?? [];
        if (stops.Count == 0) return;
        json.WriteStartArray("stop_sequences");
        foreach (var stop in stops) json.WriteStringValue(stop);
        json.WriteEndArray();
    }

    private static void WriteOutput(Utf8JsonWriter json, ResponseFormat? format, string effort)
    {
        var hasSchema = format?.FormatCase == ResponseFormat.FormatOneofCase.JsonSchema;
        if (!hasSchema && effort.Length == 0) return;
        json.WriteStartObject("output_config");
        if (effort.Length > 0) json.WriteString("effort", effort);
        if (hasSchema)
        {
            json.WriteStartObject("format");
            json.WriteString("type", "json_schema");
            json.WritePropertyName("schema");
            json.WriteRawValue(format!.JsonSchema.JsonSchema);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteTools(Utf8JsonWriter json, GenerateRequest request)
    {
        json.WriteStartArray("tools");
        foreach (var tool in request.Tools.Where(tool => IsOffered(tool, request.ToolChoice)))
        {
            json.WriteStartObject();
            json.WriteString("name", tool.Name);
            if (tool.Description.Length > 0) json.WriteString("description", tool.Description);
            json.WritePropertyName("input_schema");
            json.WriteRawValue(tool.ParametersJsonSchema.Length > 0 ? tool.ParametersJsonSchema : NoArguments);
            if (tool.HasStrict) json.WriteBoolean("strict", tool.Strict);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static bool IsOffered(Tool tool, ToolChoice? choice) =>
        choice is null || choice.Mode == ToolChoiceMode.None || choice.ToolNames.Count == 0 || IsOneForced(choice)
        || choice.ToolNames.Contains(tool.Name);

    private static bool IsOneForced(ToolChoice choice) =>
        choice is { Mode: ToolChoiceMode.Required, ToolNames.Count: 1 };

    private static void WriteToolChoice(Utf8JsonWriter json, ToolChoice? choice)
    {
        if (choice is null) return;
        json.WriteStartObject("tool_choice");
        json.WriteString("type", choice.Mode switch
        {
            ToolChoiceMode.None => "none",
            ToolChoiceMode.Required => IsOneForced(choice) ? "tool" : "any",
            _ => "auto",
        });
        if (IsOneForced(choice)) json.WriteString("name", choice.ToolNames[0]);

        // Where no tool is called there is nothing to make parallel, and the API takes no such member.
        if (choice.HasParallelToolCalls && choice.Mode != ToolChoiceMode.None)
            json.WriteBoolean("disable_parallel_tool_use", !choice.ParallelToolCalls);
        json.WriteEndObject();
    }
}
