using System.Text;

namespace GrpcLlm.Cli.Output;

/// <summary>
/// Text from outside (models, names, messages) made harmless for a terminal: a control character could move the cursor,
/// recolour or retitle the window. Stateless and thread-safe.
/// </summary>
internal static class TerminalText
{
    /// <summary>Text of several lines: line breaks and tabs stay.</summary>
    public static string Block(string text) => Replace(text, keepLayout: true);

    /// <summary>Text for one line.</summary>
    public static string Line(string text) => Replace(text, keepLayout: false);

    private static string Replace(string text, bool keepLayout)
    {
        if (!text.Any(char.IsControl)) return text;
        var safe = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            if (!char.IsControl(c) || (keepLayout && c is ('\n' or '\t'))) safe.Append(c);
            else if (!keepLayout && c is ('\n' or '\t')) safe.Append(' ');
            else if (c != '\r') safe.Append('\uFFFD');
        }

        return safe.ToString();
    }
}
