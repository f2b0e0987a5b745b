using System.CommandLine;
using GrpcLlm.Cli.Output;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Commands;

/// <summary><c>grpcllm cancel ID</c></summary>
internal static class CancelCommand
{
    public static Command Create(CliConsole console)
    {
        var id = new Argument<string>("ID") { Description = "Request id of the generation." };
        var command = new Command("cancel", "End running generations by their request id. Exit code 1 if it is not known.")
        {
            id,
        };
        command.SetAction((parsed, cancellationToken) =>
            RunAsync(parsed.GetRequiredValue(id), console, CommonOptions.Of(parsed), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        string id, CliConsole console, CommonOptions common, CancellationToken cancellationToken)
    {
        if (id.Length == 0) throw new UsageException("The request id is empty.");
        await using var client = common.CreateClient(console);
        var response = await client.CancelGenerationAsync(id, cancellationToken);
        await console.Out.WriteLineAsync(common.IsJson ? JsonLine.Of(response) : Sentence(response));
        return response.State == CancelState.NotFound ? ExitCodes.Failed : ExitCodes.Well;
    }

    private static string Sentence(CancelGenerationResponse response) => response.State switch
    {
        CancelState.Cancelled => $"cancelled {response.CancelledCount} generation{(response.CancelledCount == 1 ? "" : "s")}",
        CancelState.AlreadyFinished => "already finished",
        CancelState.NotFound => "not found",
        _ => Words.Of(response.State),
    };
}
