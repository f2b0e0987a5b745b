using System.Text;

namespace GrpcLlm.Server.Telemetry;

/// <summary>Cuts text to a number of bytes. Stateless.</summary>
internal static class Utf8Text
{
    /// <summary>The longest beginning of a text that has at most so many bytes of UTF-8 and ends at a code point.</summary>
    public static string Cut(string text, int maxBytes)
    {
        if (text.Length * 3 <= maxBytes || Encoding.UTF8.GetByteCount(text) <= maxBytes) return text;
        var bytes = 0;
        var chars = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if (bytes + rune.Utf8SequenceLength > maxBytes) break;
            bytes += rune.Utf8SequenceLength;
            chars += rune.Utf16SequenceLength;
        }

        return text[..chars];
    }
}
