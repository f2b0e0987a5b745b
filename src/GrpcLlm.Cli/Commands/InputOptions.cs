using System.CommandLine;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Commands;

/// <summary>What a model is given: a prompt or a conversation, and tools.</summary>
internal sealed class InputOptions
{
    private const string StandardInput = "-";

    private readonly Argument<string?> _prompt = new("PROMPT")
    {
        Description = "The prompt. `-`, or none with piped input: read it from stdin.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _system = new("--system", "-s")
    {
        Description = "Instructions before everything else.",
        HelpName = "TEXT",
    };

    private readonly Option<string?> _conversation = new("--conversation", "-c")
    {
        Description = "JSON file with the messages so far; `-`: stdin. A prompt is added as the last one.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _tools = new("--tools")
    {
        Description = "JSON file with functions that the model may call; calls are printed, not carried out.",
        HelpName = "FILE",
    };

    public void AddTo(Command command)
    {
        command.Add(_prompt);
        command.Add(_system);
        command.Add(_conversation);
        command.Add(_tools);
    }

    /// <summary>Reads what the command line names.</summary>
    /// <exception cref="UsageException">There is no prompt, or a file cannot be read.</exception>
    public async Task<ModelInput> ReadAsync(ParseResult parsed, CliConsole console, CancellationToken cancellationToken)
    {
        var argument = parsed.GetValue(_prompt);
        var file = parsed.GetValue(_conversation);
        if (file == StandardInput && argument == StandardInput)
            throw new UsageException("Prompt and conversation cannot both come from stdin.");

        var tools = parsed.GetValue(_tools) is { } toolsFile ? ToolsText.Parse(await FileAsync(toolsFile, console, cancellationToken), toolsFile) : [];
        var conversation = file is null ? new Conversation() : ConversationText.Parse(await FileAsync(file, console, cancellationToken), file);

        // A conversation is a whole input; without one, stdin is the prompt.
        var prompt = file is not null && argument is null ? "" : await PromptInput.ReadAsync(argument, console, cancellationToken);
        if (parsed.GetValue(_system) is { } system) conversation.Messages.Insert(0, Message(Role.System, system));
        if (conversation.Messages.Count == 0) return new ModelInput(prompt, null, tools);
        if (prompt.Length > 0) conversation.Messages.Add(Message(Role.User, prompt));
        return new ModelInput("", conversation, tools);
    }

    /// <summary>What a file holds; of <c>-</c>, what comes on stdin.</summary>
    /// <exception cref="UsageException">It cannot be read.</exception>
    public static async Task<string> FileAsync(string name, CliConsole console, CancellationToken cancellationToken)
    {
        if (name == StandardInput) return await console.In.ReadToEndAsync(CancellationToken.None).WaitAsync(cancellationToken);
        try
        {
            return await File.ReadAllTextAsync(name, cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"'{name}' cannot be read: {exception.Message}");
        }
    }

    private static ConversationMessage Message(Role role, string text) =>
        new() { Role = role, Parts = { new ContentPart { Text = text } } };
}

/// <summary>What a model is given.</summary>
/// <param name="Prompt">The prompt; empty with a conversation.</param>
/// <param name="Conversation">The conversation; null with a prompt.</param>
/// <param name="Tools">Tools that the model may call.</param>
internal sealed record ModelInput(string Prompt, Conversation? Conversation, IReadOnlyList<Tool> Tools);
