namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>
/// A chat template is not understood, or refuses a conversation. The message holds text of the template only, never of the
/// conversation, in one line of at most 200 characters.
/// </summary>
internal sealed class TemplateException(string message) : Exception(TextLine.Of(message, MaxLength))
{
    private const int MaxLength = 200;

    /// <summary>At a place in the template.</summary>
    /// <param name="line">Line from 1.</param>
    /// <param name="message">What is wrong there.</param>
    public static TemplateException At(int line, string message) => new($"line {line}: {message}");
}
