using System.Text.Json;

namespace GrpcLlm.Server.Requests;

/// <summary>Checks of strings that hold JSON. Stateless.</summary>
internal static class JsonRules
{
    /// <summary>Notes a violation unless the text is exactly one JSON object (RFC 8259).</summary>
    public static void CheckObject(string json, string field, Violations violations)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object) violations.Add(field, "must be a JSON object");
        }
        catch (JsonException exception)
        {
            // The parser's own message quotes the text; only the place is told.
            violations.Add(field, $"must be valid JSON; it fails in line {exception.LineNumber + 1}, byte {exception.BytePositionInLine}");
        }
    }
}
