using GrpcLlm.Server.Requests;
using GrpcLlm.V1;
using Content = GrpcLlm.V1.ContentPart.ContentOneofCase;

namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>
/// A model's chat format: turns a conversation into tokens by the template of its file. Special tokens come from the
/// template alone: their names in a message stay text. Immutable and thread-safe.
/// </summary>
internal sealed class ChatFormat
{
    private const string TemplateKey = "tokenizer.chat_template";

    private readonly ChatTemplate _template;
    private readonly Tokenizer _tokenizer;
    private readonly HashSet<int> _marks;
    private readonly string _begin;
    private readonly string _end;

    private ChatFormat(string source, Tokenizer tokenizer)
    {
        _template = ChatTemplate.Parse(source);
        _tokenizer = tokenizer;
        Vocabulary vocabulary = tokenizer.Vocabulary;
        _begin = vocabulary.BeginToken is { } begin ? vocabulary.PieceOf(begin) : "";
        _end = vocabulary.EndToken is { } end ? vocabulary.PieceOf(end) : "";

        // Some files have the marks of turns as user-defined tokens. White space is no mark, though templates hold it.
        _marks = [.. vocabulary.IndexPieces(TokenKind.UserDefined)
            .Where(entry => entry.Key.Length > 1 && !entry.Key.Any(char.IsWhiteSpace) && source.Contains(entry.Key, StringComparison.Ordinal))
            .Select(entry => entry.Value)];

        if (!Render([new ChatMessage("user", "?")]).Holds(0))
            throw new TemplateException("it leaves out what the user says");
    }

    /// <summary>The chat format of a file; null if it has none, or none that is understood.</summary>
    /// <param name="metadata">Keys of the file.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="problem">What is not understood of its template; null if there is nothing.</param>
    /// <exception cref="EmbeddedModelException">The template is not a string.</exception>
    public static ChatFormat? Read(GgufMetadata metadata, Tokenizer tokenizer, out string? problem)
    {
        problem = null;
        if (!metadata.Has(TemplateKey)) return null;
        string source = metadata.GetString(TemplateKey);
        try
        {
            return new ChatFormat(source, tokenizer);
        }
        catch (TemplateException error)
        {
            problem = error.Message;
            return null;
        }
    }

    /// <summary>Writes a request's conversation or prompt down, up to where the answer begins.</summary>
    /// <param name="request">A request in which nothing is unsupported.</param>
    /// <exception cref="TemplateException">The template refuses it.</exception>
    public ChatPrompt Write(GenerateRequest request) => Render(MessagesOf(request));

    /// <summary>Tokens of what was written down.</summary>
    public int[] Encode(ChatPrompt prompt) => _tokenizer.EncodeChat(prompt, _marks);

    /// <summary>Names what of a conversation the model's format has no place for.</summary>
    public void FindUnsupported(GenerateRequest request, Violations violations)
    {
        if (request.Conversation is { } conversation && !HoldsTextOnly(conversation, violations)) return;
        IReadOnlyList<ChatMessage> messages = MessagesOf(request);
        try
        {
            ChatPrompt prompt = Render(messages);
            for (int i = 0; i < messages.Count; i++)
            {
                if (!prompt.Holds(i) && !string.IsNullOrWhiteSpace(messages[i].Text))
                    violations.Add(FieldOf(request, i), "this model's chat template leaves it out");
            }
        }
        catch (TemplateException error)
        {
            violations.Add(FieldOf(request, null), $"this model's chat template refuses it: {error.Message}");
        }
    }

    private static string FieldOf(GenerateRequest request, int? message) =>
        request.Conversation is null ? "prompt"
        : message is null ? "conversation.messages" : $"conversation.messages[{message}]";

    private static bool HoldsTextOnly(Conversation conversation, Violations violations)
    {
        bool isText = true;
        for (int i = 0; i < conversation.Messages.Count; i++)
        {
            ConversationMessage message = conversation.Messages[i];
            for (int j = 0; j < message.Parts.Count; j++)
            {
                if (message.Parts[j].ContentCase == Content.Text) continue;
                isText = false;
                violations.Add(
                    $"conversation.messages[{i}].parts[{j}].{UnsupportedFields.MemberOf(message.Parts[j])}",
                    "this model's chat format holds text only");
            }
        }

        if (conversation.Messages is [.., { Role: Role.Assistant }])
        {
            isText = false;
            violations.Add(
                $"conversation.messages[{conversation.Messages.Count - 1}].role",
                "this model begins its answers itself: the last message cannot be the assistant's");
        }

        return isText;
    }

    private static IReadOnlyList<ChatMessage> MessagesOf(GenerateRequest request) => request.Conversation is null
        ? [new ChatMessage("user", request.Prompt)]
        :
        [
            .. request.Conversation.Messages.Select(message => new ChatMessage(
                message.Role switch { Role.System => "system", Role.Assistant => "assistant", _ => "user" },
                string.Concat(message.Parts.Select(part => part.Text)))),
        ];

    private ChatPrompt Render(IReadOnlyList<ChatMessage> messages) => _template.Render(messages, _begin, _end);
}
