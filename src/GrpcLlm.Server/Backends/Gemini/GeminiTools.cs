using System.Text.Json;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>
/// Writes <c>tools</c> and <c>toolConfig</c>. AUTO is the API's default and not written; AUTO with <c>tool_names</c>
/// declares only those named, since <c>allowedFunctionNames</c> goes with ANY alone. A strict tool turns AUTO into
/// VALIDATED, which holds every call to its schema; ANY does so anyway. Stateless and thread-safe.
/// </summary>
internal static class GeminiTools
{
    /// <summary>Writes both properties; none without tools.</summary>
    public static void Write(Utf8JsonWriter json, GenerateRequest request, GeminiOptions options)
    {
        if (request.Tools.Count == 0) return;
        var choice = request.ToolChoice;
        var isAuto = choice?.Mode is null or ToolChoiceMode.Unspecified or ToolChoiceMode.Auto;
        json.WriteStartArray("tools"u8);
        json.WriteStartObject();
        json.WriteStartArray("functionDeclarations"u8);
        foreach (var tool in request.Tools)
        {
            if (isAuto && choice is { ToolNames.Count: > 0 } && !choice.ToolNames.Contains(tool.Name)) continue;
            WriteTool(json, tool);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        WriteConfig(json, request, options);
    }

    private static void WriteTool(Utf8JsonWriter json, Tool tool)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, tool.Name);
        if (tool.Description.Length > 0) json.WriteString("description"u8, tool.Description);
        if (tool.ParametersJsonSchema.Length > 0)
        {
            json.WritePropertyName("parametersJsonSchema"u8);
            json.WriteRawValue(tool.ParametersJsonSchema, skipInputValidation: true);
        }

        json.WriteEndObject();
    }

    private static void WriteConfig(Utf8JsonWriter json, GenerateRequest request, GeminiOptions options)
    {
        var mode = request.ToolChoice?.Mode switch
        {
            ToolChoiceMode.None => "NONE",
            ToolChoiceMode.Required => "ANY",
            _ when request.Tools.Any(static tool => tool.Strict) => "VALIDATED",
            _ => "AUTO",
        };
        if (mode == "AUTO" && !options.StreamFunctionArguments) return;
        json.WriteStartObject("toolConfig"u8);
        json.WriteStartObject("functionCallingConfig"u8);
        json.WriteString("mode"u8, mode);
        if (mode == "ANY" && request.ToolChoice!.ToolNames.Count > 0)
        {
            json.WriteStartArray("allowedFunctionNames"u8);
            foreach (var name in request.ToolChoice.ToolNames) json.WriteStringValue(name);
            json.WriteEndArray();
        }

        if (options.StreamFunctionArguments) json.WriteBoolean("streamFunctionCallArguments"u8, true);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
