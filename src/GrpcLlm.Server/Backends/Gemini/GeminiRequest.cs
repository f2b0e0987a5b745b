using System.Text.Json;
using GrpcLlm.V1;
using Format = GrpcLlm.V1.ResponseFormat.FormatOneofCase;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>
/// Writes the body of <c>streamGenerateContent</c>: everything but the contents. Rules, where the API differs from the
/// contract:
/// <list type="bullet">
/// <item><c>image.detail</c>, the same on all images, is <c>mediaResolution</c>.</item>
/// <item>Token ids come with log probabilities only, so <c>output.token_ids</c> asks for those.</item>
/// <item>A schema always binds here, so <c>json_schema.strict</c> changes nothing; its <c>name</c>, which only labels, and
/// <c>end_user_id</c> have no place and are left out.</item>
/// <item>Stop sequences are not sent: the API does not say which one it found; the relay matches them.</item>
/// </list>
/// Stateless and thread-safe.
/// </summary>
internal static class GeminiRequest
{
    /// <summary>Writes the properties of the body.</summary>
    public static void Write(Utf8JsonWriter json, BackendCall call, GeminiOptions options)
    {
        GeminiContents.Write(json, call);
        GeminiTools.Write(json, call.Request, options);
        json.WriteStartObject("generationConfig"u8);
        if (call.MaxOutputTokens is { } most) json.WriteNumber("maxOutputTokens"u8, Math.Min(most, int.MaxValue));
        if (call.Request.Sampling is { } sampling) WriteSampling(json, sampling);
        WriteOutput(json, call.Request.Output);
        if (ResolutionOf(call.Request.Conversation) is { } resolution) json.WriteString("mediaResolution"u8, resolution);
        GeminiThinking.Write(json, call, options);
        json.WriteEndObject();
    }

    private static void WriteSampling(Utf8JsonWriter json, SamplingOptions sampling)
    {
        if (sampling.HasTemperature) json.WriteNumber("temperature"u8, sampling.Temperature);
        if (sampling.HasTopP) json.WriteNumber("topP"u8, sampling.TopP);
        if (sampling.HasTopK) json.WriteNumber("topK"u8, sampling.TopK);
        if (sampling.HasSeed) json.WriteNumber("seed"u8, sampling.Seed);
        if (sampling.HasPresencePenalty) json.WriteNumber("presencePenalty"u8, sampling.PresencePenalty);
        if (sampling.HasFrequencyPenalty) json.WriteNumber("frequencyPenalty"u8, sampling.FrequencyPenalty);
    }

    private static void WriteOutput(Utf8JsonWriter json, OutputOptions? output)
    {
        if (output is null) return;
        if (output.Logprobs || output.TopLogprobs > 0 || output.TokenIds) json.WriteBoolean("responseLogprobs"u8, true);
        if (output.TopLogprobs > 0) json.WriteNumber("logprobs"u8, output.TopLogprobs);
        if (output.ResponseFormat?.FormatCase is not (Format.JsonObject or Format.JsonSchema)) return;
        json.WriteString("responseMimeType"u8, "application/json"u8);
        if (output.ResponseFormat.JsonSchema is not { } schema) return;
        json.WritePropertyName("responseJsonSchema"u8);
        json.WriteRawValue(schema.JsonSchema, skipInputValidation: true);
    }

    private static string? ResolutionOf(Conversation? conversation)
    {
        var parts = conversation?.Messages.SelectMany(static message => message.Parts) ?? [];
        var image = parts.SelectMany(static part => part.ToolResult?.Parts ?? Enumerable.Repeat(part, 1))
            .Select(static part => part.Image).FirstOrDefault(static image => image is not null);
        return image?.Detail switch
        {
            ImageDetail.Low => "MEDIA_RESOLUTION_LOW",
            ImageDetail.High => "MEDIA_RESOLUTION_HIGH",
            _ => null,
        };
    }
}
