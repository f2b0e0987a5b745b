using System.CommandLine;

namespace GrpcLlm.Cli.Commands;

/// <summary><c>grpcllm health</c></summary>
internal static class HealthCommand
{
    public static Command Create(CliConsole console)
    {
        var command = new Command("health", "Ask whether the service takes calls. Exit code 6 if it does not.");
        command.SetAction((parsed, cancellationToken) => RunAsync(console, CommonOptions.Of(parsed), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(CliConsole console, CommonOptions common, CancellationToken cancellationToken)
    {
        await using var client = common.CreateClient(console);
        var serves = await client.CheckHealthAsync(cancellationToken);
        await console.Out.WriteLineAsync(common.IsJson ? $$"""{"serving":{{(serves ? "true" : "false")}}}""" : serves ? "serving" : "not serving");
        return serves ? ExitCodes.Well : ExitCodes.Unavailable;
    }
}
