namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>A message of a conversation.</summary>
/// <param name="Role">Its role as templates know it: <c>system</c>, <c>user</c> or <c>assistant</c>.</param>
/// <param name="Text">Its text.</param>
internal readonly record struct ChatMessage(string Role, string Text);

/// <summary>
/// A chat template in a subset of Jinja, the language of <c>tokenizer.chat_template</c>. Statements: <c>if</c>,
/// <c>for</c>, <c>set</c>, <c>break</c>, <c>continue</c>. Expressions: all but floating-point numbers, powers and division
/// with a fraction. Functions, methods, filters and tests are those of <see cref="TemplateFunctions"/>,
/// <see cref="TemplateFilters"/> and <see cref="TemplateTests"/>; no macros, no imports. Immutable and thread-safe.
/// </summary>
/// <remarks>
/// A template is not trusted: how deep it nests and how much it does for a conversation are bounded. What is parsed but
/// not known (a filter, say) is told when it is reached, since templates carry branches for tools that never run here.
/// The date is not told to templates, which then leave it out or have one of their own, so that the same request with the
/// same seed gives the same text on any day.
/// </remarks>
internal sealed class ChatTemplate
{
    private const int MaxLength = 1 << 18;
    private const long BaseSteps = 200_000;
    private const long StepsForMessage = 2_000;
    private const long StepsForCharacter = 64;

    private readonly IReadOnlyList<TemplateStatement> _body;

    private ChatTemplate(IReadOnlyList<TemplateStatement> body) => _body = body;

    /// <summary>Parses a template.</summary>
    /// <exception cref="TemplateException">It is not understood; the message says what of it.</exception>
    public static ChatTemplate Parse(string template) => template.Length <= MaxLength
        ? new ChatTemplate(TemplateParser.Parse(template))
        : throw new TemplateException($"it has {template.Length} characters; at most {MaxLength} are read");

    /// <summary>Writes a conversation down, up to where the model's answer begins.</summary>
    /// <param name="messages">The messages, oldest first.</param>
    /// <param name="beginOfText">Written form of the beginning of text; empty for none.</param>
    /// <param name="endOfText">Written form of the end of text; empty for none.</param>
    /// <exception cref="TemplateException">The template refuses the conversation, or needs what is not in the subset.</exception>
    public ChatPrompt Render(IReadOnlyList<ChatMessage> messages, string beginOfText, string endOfText)
    {
        long characters = messages.Sum(message => (long)message.Text.Length);
        var variables = new Dictionary<string, object?>(StringComparer.Ordinal)
        {
            ["messages"] = messages.Select((message, index) => (object?)ValueOf(message, index)).ToList(),
            ["add_generation_prompt"] = true,
            ["bos_token"] = MarkedText.Of(beginOfText),
            ["eos_token"] = MarkedText.Of(endOfText),
            ["tools"] = null,
            ["documents"] = null,
        };
        var run = new TemplateRun(variables, BaseSteps + (StepsForMessage * messages.Count) + (StepsForCharacter * characters));
        TemplateStatement.Execute(_body, run);
        return new ChatPrompt(run.Output);
    }

    private static Dictionary<string, object?> ValueOf(ChatMessage message, int index) => new(StringComparer.Ordinal)
    {
        ["role"] = MarkedText.Of(message.Role),
        ["content"] = MarkedText.Of(message.Text, index),
    };
}
