using System.CommandLine;
using GrpcLlm.Cli.Output;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Commands;

/// <summary><c>grpcllm models</c></summary>
internal static class ModelsCommand
{
    private static readonly string[] Titles = ["", "NAME", "STATE", "CONTEXT", "BACKENDS", "DESCRIPTION"];

    public static Command Create(CliConsole console)
    {
        var command = new Command("models", "List the models that the service routes; * marks the default.");
        command.SetAction((parsed, cancellationToken) => RunAsync(console, CommonOptions.Of(parsed), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(CliConsole console, CommonOptions common, CancellationToken cancellationToken)
    {
        await using var client = common.CreateClient(console);
        var models = await client.ListModelsAsync(cancellationToken).ToListAsync(cancellationToken);
        if (common.IsJson)
        {
            foreach (var model in models) await console.Out.WriteLineAsync(JsonLine.Of(model));
            return ExitCodes.Well;
        }

        await TextTable.WriteAsync(console.Out, [Titles, .. models.Select(model => Row(model, common.IsVerbose))]);
        return ExitCodes.Well;
    }

    private static string[] Row(Model model, bool wholeDescription) =>
    [
        model.IsDefault ? "*" : "",
        model.Name,
        Words.Of(model.State),
        model.HasContextWindow ? model.ContextWindow.ToString() : "?",
        model.Backends.Count > 0 ? string.Join(", ", model.Backends) : "?",
        wholeDescription ? model.Description : FirstSentence(model.Description),
    ];

    private static string FirstSentence(string text) =>
        text.IndexOf(". ", StringComparison.Ordinal) is >= 0 and var end ? text[..(end + 1)] : text;
}
