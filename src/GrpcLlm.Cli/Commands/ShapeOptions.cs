using System.CommandLine;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Commands;

/// <summary>What an answer must be: JSON, JSON of a schema, a call of a tool.</summary>
internal sealed class ShapeOptions
{
    private readonly Option<bool> _jsonObject = new("--json-object")
    {
        Description = "The answer is one JSON object.",
    };

    private readonly Option<string?> _schema = new("--schema")
    {
        Description = "JSON file with a JSON Schema that the answer matches.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _toolChoice = new("--tool-choice")
    {
        Description = "auto, none, required, or the name of the tool that must be called.",
        HelpName = "CHOICE",
    };

    public void AddTo(Command command)
    {
        command.Add(_jsonObject);
        command.Add(_schema);
        command.Add(_toolChoice);
    }

    /// <summary>Adds what the command line says to a request.</summary>
    /// <exception cref="UsageException">It says two things at once, or a file cannot be read.</exception>
    public async Task AddToAsync(GenerateRequest request, ParseResult parsed, CliConsole console, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(_toolChoice) is { } choice) request.ToolChoice = ChoiceOf(choice);
        var isObject = parsed.GetValue(_jsonObject);
        if (parsed.GetValue(_schema) is not { } file)
        {
            if (isObject) FormatOf(request).JsonObject = new JsonObjectFormat();
            return;
        }

        if (isObject) throw new UsageException("--json-object and --schema exclude each other.");
        var schema = await InputOptions.FileAsync(file, console, cancellationToken);
        FormatOf(request).JsonSchema = new JsonSchemaFormat { JsonSchema = schema };
    }

    private static ResponseFormat FormatOf(GenerateRequest request)
    {
        request.Output ??= new OutputOptions();
        return request.Output.ResponseFormat ??= new ResponseFormat();
    }

    private static ToolChoice ChoiceOf(string choice) => choice switch
    {
        "auto" => new ToolChoice { Mode = ToolChoiceMode.Auto },
        "none" => new ToolChoice { Mode = ToolChoiceMode.None },
        "required" => new ToolChoice { Mode = ToolChoiceMode.Required },
        _ => new ToolChoice { Mode = ToolChoiceMode.Required, ToolNames = { choice } },
    };
}
