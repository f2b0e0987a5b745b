namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>
/// A chat template is not understood, or refuses a conversation. The message holds text of the template only, never of the
/// conversation.
/// </summary>
internal sealed class TemplateException(string message) : Exception(Shortened(message))
{
    private const int MaxLength = 200;

    /// <summary>At a place in the template.</summary>
    /// <param name="line">Line from 1.</param>
    /// <param name="message">What is wrong there.</param>
    public static TemplateException At(int line, string message) => new($"line {line}: {message}");

    // Templates are not trusted, and messages end up in logs and errors.
    private static string Shortened(string message)
    {
        string cut = message.Length <= MaxLength ? message : string.Concat(message.AsSpan(0, MaxLength), "…");
        return string.Concat(cut.Select(character => char.IsControl(character) || char.IsSurrogate(character) ? ' ' : character));
    }
}
