using System.Text.Json;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>
/// Writes the answer to a call as a <c>functionResponse</c>. The API wants an object there and reads its <c>output</c>, or
/// its <c>error</c> where the tool failed; the text goes in unchanged. Images go beside it as its <c>parts</c>. Stateless.
/// </summary>
internal static class GeminiToolResult
{
    /// <summary>Writes one part.</summary>
    /// <param name="json">Positioned in an array of parts.</param>
    /// <param name="result">The answer.</param>
    /// <param name="toolNames">Names of earlier calls by id.</param>
    public static void Write(Utf8JsonWriter json, ToolResult result, Dictionary<string, string> toolNames)
    {
        json.WriteStartObject();
        json.WriteStartObject("functionResponse"u8);
        json.WriteString("id"u8, result.ToolCallId);
        json.WriteString("name"u8, result.Name.Length > 0 ? result.Name : toolNames.GetValueOrDefault(result.ToolCallId, ""));
        json.WriteStartObject("response"u8);
        json.WriteString(
            result.IsError ? "error"u8 : "output"u8, string.Concat(result.Parts.Select(static part => part.Text)));
        json.WriteEndObject();
        var images = result.Parts.Select(static part => part.Image).Where(static image => image is not null).ToList();
        if (images.Count > 0)
        {
            json.WriteStartArray("parts"u8);
            foreach (var image in images)
            {
                json.WriteStartObject();
                GeminiContents.WriteImage(json, image);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }
}
