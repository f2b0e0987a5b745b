using System.Globalization;
using System.Text.Json;

namespace GrpcLlm.Cli.Bench.Ghz;

/// <summary>
/// Finds number and tokens of a TokenChunk in the two forms in which ghz logs a message: protobuf's text format
/// (<c>sequence:1 token_count:1 text:"Once"</c>), or JSON. Text in quotes is skipped, since it is the model's.
/// </summary>
internal static class ChunkText
{
    /// <summary>Reads a logged message; null: it does not say.</summary>
    public static (long? Sequence, long? Tokens) Read(JsonElement response) => response.ValueKind switch
    {
        JsonValueKind.String => (Field(response.GetString()!, "sequence"), Field(response.GetString()!, "token_count")),
        JsonValueKind.Object => (
            Member(response, "sequence"), Member(response, "tokenCount") ?? Member(response, "token_count")),
        _ => (null, null),
    };

    /// <summary>A number of the outermost message in text format.</summary>
    private static long? Field(ReadOnlySpan<char> text, string name)
    {
        var depth = 0;
        for (var at = 0; at < text.Length; at++)
        {
            switch (text[at])
            {
                case '"':
                    at = EndOfQuote(text, at);
                    break;
                case '<' or '{':
                    depth++;
                    break;
                case '>' or '}':
                    depth--;
                    break;
                default:
                    if (depth == 0 && (at == 0 || text[at - 1] == ' ') && text[at..].StartsWith(name) && text[(at + name.Length)..].StartsWith(":"))
                        return NumberAt(text[(at + name.Length + 1)..].TrimStart());
                    break;
            }
        }

        return null;
    }

    private static int EndOfQuote(ReadOnlySpan<char> text, int open)
    {
        var at = open + 1;
        while (at < text.Length && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
        return at;
    }

    private static long? NumberAt(ReadOnlySpan<char> text)
    {
        var end = text.IndexOfAnyExceptInRange('0', '9');
        return long.TryParse(end < 0 ? text : text[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
    }

    /// <summary>A number of a JSON object; 64-bit ones are strings in protobuf's JSON.</summary>
    private static long? Member(JsonElement message, string name)
    {
        if (!message.TryGetProperty(name, out var value)) return null;
        return value.ValueKind switch
        {
            JsonValueKind.Number when value.TryGetInt64(out var number) => number,
            JsonValueKind.String => NumberAt(value.GetString()),
            _ => null,
        };
    }
}
