namespace GrpcLlm.Server.Streaming;

/// <summary>
/// Makes text whole code points again: half a surrogate pair at the end of one delta waits for its other half at the
/// beginning of the next (servers that slice UTF-16 send such halves); a half that never finds the other becomes
/// U+FFFD. Not thread-safe.
/// </summary>
internal struct SurrogateJoiner
{
    private const char Replacement = '\uFFFD';

    private char _high;

    /// <summary>Text that is whole so far, the half held before included.</summary>
    public string Push(string text)
    {
        if (text.Length == 0) return text;
        if (_high == '\0' && text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0) return text;

        if (_high != '\0')
        {
            text = _high + text;
            _high = '\0';
        }

        if (char.IsHighSurrogate(text[^1]))
        {
            _high = text[^1];
            text = text[..^1];
        }

        return ReplaceLone(text);
    }

    /// <summary>What is left at the end: U+FFFD for a half without the other, else nothing.</summary>
    public string Flush()
    {
        if (_high == '\0') return "";
        _high = '\0';
        return Replacement.ToString();
    }

    private static string ReplaceLone(string text)
    {
        Span<char> fixedText = default;
        for (var index = 0; index < text.Length; index++)
        {
            if (!char.IsSurrogate(text[index])) continue;
            if (index + 1 < text.Length && char.IsSurrogatePair(text[index], text[index + 1]))
            {
                index++;
                continue;
            }

            if (fixedText.IsEmpty) fixedText = text.ToCharArray();
            fixedText[index] = Replacement;
        }

        return fixedText.IsEmpty ? text : new string(fixedText);
    }
}
