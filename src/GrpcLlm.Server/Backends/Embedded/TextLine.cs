namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>Makes text of a file that is not trusted fit for logs, errors and answers: one line of bounded length.</summary>
internal static class TextLine
{
    /// <summary>A text with spaces for control characters; what is too long ends with an ellipsis.</summary>
    /// <param name="text">The text.</param>
    /// <param name="maxLength">Most UTF-16 units before the ellipsis; above 0.</param>
    public static string Of(string text, int maxLength)
    {
        int length = Math.Min(text.Length, maxLength);
        if (length < text.Length && char.IsHighSurrogate(text[length - 1])) length--;
        string line = string.Create(length, text, static (line, text) =>
        {
            for (int i = 0; i < line.Length; i++) line[i] = char.IsControl(text[i]) ? ' ' : text[i];
        });
        return length < text.Length ? line + "…" : line;
    }
}
