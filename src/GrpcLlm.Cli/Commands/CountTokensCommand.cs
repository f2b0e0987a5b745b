using System.CommandLine;
using GrpcLlm.Cli.Output;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Commands;

/// <summary><c>grpcllm count-tokens PROMPT</c></summary>
internal static class CountTokensCommand
{
    public static Command Create(CliConsole console)
    {
        var input = new InputOptions();
        var model = GenerateOptions.CreateModel();
        var command = new Command("count-tokens", "Count the input tokens of a prompt or conversation. Generates nothing.");
        input.AddTo(command);
        command.Add(model);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var given = await input.ReadAsync(parsed, console, cancellationToken);
            var request = new CountTokensRequest { Model = parsed.GetValue(model) ?? "", Tools = { given.Tools } };
            if (given.Conversation is { } conversation) request.Conversation = conversation;
            else request.Prompt = given.Prompt;
            return await RunAsync(request, console, CommonOptions.Of(parsed), cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        CountTokensRequest request, CliConsole console, CommonOptions common, CancellationToken cancellationToken)
    {
        await using var client = common.CreateClient(console);
        var response = await client.CountTokensAsync(request, cancellationToken);
        if (common.IsJson)
        {
            await console.Out.WriteLineAsync(JsonLine.Of(response));
            return ExitCodes.Well;
        }

        // The number alone, for scripts; where it comes from is a remark.
        await console.Out.WriteLineAsync(response.InputTokens.ToString());
        await console.Error.WriteLineAsync(
            TerminalText.Line($"{Words.Of(response.Source)} for {response.Model} on {response.Backend}"));
        return ExitCodes.Well;
    }
}
