using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// Reads strings of JSON that <see cref="JsonElement.GetString"/> refuses: half surrogate pairs, which servers send that
/// slice UTF-16 (kept, the relay joins them), and invalid UTF-8 (replaced by U+FFFD). Stateless and thread-safe.
/// </summary>
internal static class JsonText
{
    /// <summary>The text of a JSON string; empty for anything else.</summary>
    public static string Read(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.String) return "";
        return Decode(JsonMarshal.GetRawUtf8Value(element)[1..^1]);
    }

    /// <summary>The text of a JSON string that is known to be one.</summary>
    /// <param name="raw">What stands between its quotes.</param>
    public static string Decode(ReadOnlySpan<byte> raw) =>
        raw.Contains((byte)'\\') ? Unescape(raw) : Encoding.UTF8.GetString(raw);

    /// <summary>The text of a property; empty if it is missing or no string.</summary>
    public static string Read(JsonElement parent, string property) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(property, out var element) ? Read(element) : "";

    /// <summary>A property that is an object or array; null if it is missing, null or something else.</summary>
    public static JsonElement? Child(JsonElement parent, string property) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(property, out var element)
        && element.ValueKind is JsonValueKind.Object or JsonValueKind.Array ? element : null;

    /// <summary>A property that is a count; null if it is missing or no whole number from 0.</summary>
    public static uint? Count(JsonElement parent, string property)
    {
        if (parent.ValueKind != JsonValueKind.Object || !parent.TryGetProperty(property, out var element)
            || element.ValueKind != JsonValueKind.Number) return null;
        if (element.TryGetUInt32(out var count)) return count;

        // Some servers write 12.0.
        return element.TryGetDouble(out var number) && number is >= 0 and <= uint.MaxValue ? (uint)number : null;
    }

    private static string Unescape(ReadOnlySpan<byte> raw)
    {
        var text = new StringBuilder(raw.Length);
        while (!raw.IsEmpty)
        {
            var plain = raw.IndexOf((byte)'\\');
            if (plain < 0) plain = raw.Length;
            text.Append(Encoding.UTF8.GetString(raw[..plain]));
            raw = raw[plain..];
            if (raw.IsEmpty) break;

            var escape = raw[1];
            if (escape != (byte)'u')
            {
                text.Append(escape switch
                {
                    (byte)'b' => '\b',
                    (byte)'f' => '\f',
                    (byte)'n' => '\n',
                    (byte)'r' => '\r',
                    (byte)'t' => '\t',
                    _ => (char)escape,
                });
                raw = raw[2..];
                continue;
            }

            text.Append((char)ushort.Parse(raw[2..6], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
            raw = raw[6..];
        }

        return text.ToString();
    }
}
