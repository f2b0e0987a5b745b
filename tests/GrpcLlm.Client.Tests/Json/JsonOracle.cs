using System.Text.Json;

namespace GrpcLlm.Client.Tests.Json;

/// <summary>What System.Text.Json makes of a text: slow, obvious, and written by others.</summary>
internal static class JsonOracle
{
    /// <summary>The text in one notation: repeated names, order and the digits of numbers kept. Null if it is not valid.</summary>
    public static string? Canonical(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return Canonical(document.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException or InvalidOperationException)
        {
            // Half a surrogate pair is an argument exception as a character, an invalid operation as an escape.
            return null;
        }
    }

    public static string Canonical(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "{" + string.Join(',', element.EnumerateObject().Select(p => JsonSerializer.Serialize(p.Name) + ":" + Canonical(p.Value))) + "}",
        JsonValueKind.Array => "[" + string.Join(',', element.EnumerateArray().Select(Canonical)) + "]",
        JsonValueKind.String => JsonSerializer.Serialize(element.GetString()!),
        _ => element.GetRawText(),
    };

    /// <summary>
    /// The best value of the beginning of a text: cut off as little at its end as it takes for the rest to be valid once
    /// everything open is closed. Null if nothing is left.
    /// </summary>
    public static string? BestOf(string beginning)
    {
        for (var length = beginning.Length - UnendedNumber(beginning); length > 0; length--)
        {
            if (Canonical(Closed(beginning[..length])) is { } best) return best;
        }

        return null;
    }

    /// <summary>Length of the number at the end, which may go on.</summary>
    private static int UnendedNumber(string text)
    {
        if (Scan(text).InString) return 0;
        var start = text.Length;
        while (start > 0 && (char.IsAsciiDigit(text[start - 1]) || text[start - 1] is '-' or '+' or '.' or 'e' or 'E')) start--;
        return start < text.Length && (char.IsAsciiDigit(text[start]) || text[start] == '-') ? text.Length - start : 0;
    }

    private static string Closed(string text)
    {
        var (inString, open) = Scan(text);
        return text + (inString ? "\"" : "") + string.Concat(open.Select(c => c == '{' ? '}' : ']'));
    }

    private static (bool InString, Stack<char> Open) Scan(string text)
    {
        var open = new Stack<char>();
        var inString = false;
        for (var i = 0; i < text.Length; i++)
        {
            if (inString && text[i] == '\\') i++;
            else if (text[i] == '"') inString = !inString;
            else if (!inString && text[i] is '{' or '[') open.Push(text[i]);
            else if (!inString && text[i] is '}' or ']') open.TryPop(out _);
        }

        return (inString, open);
    }
}
