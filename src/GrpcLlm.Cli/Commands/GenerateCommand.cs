using System.CommandLine;
using GrpcLlm.Cli.Output;
using GrpcLlm.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Commands;

/// <summary><c>grpcllm generate PROMPT</c></summary>
internal static class GenerateCommand
{
    public static Command Create(CliConsole console)
    {
        var options = new GenerateOptions();
        var command = new Command("generate", "Generate an answer and print it as it comes; what it took goes to stderr.");
        options.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var request = await options.RequestOfAsync(parsed, console, cancellationToken);
            return await RunAsync(request, options.TimeoutOf(parsed), console, CommonOptions.Of(parsed), cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        GenerateRequest request, TimeSpan? timeout, CliConsole console, CommonOptions common, CancellationToken cancellationToken)
    {
        await using var client = common.CreateClient(console);
        var printer = new ChunkPrinter(console, common);
        var report = new GenerationReport(request.RequestId);
        try
        {
            var options = new GenerateCallOptions { Timeout = timeout };
            await foreach (var chunk in client.GenerateAsync(request, options, cancellationToken))
            {
                report.Observe(chunk);
                await printer.WriteAsync(chunk);
            }
        }
        catch (Exception exception) when (exception is GenerationException or OperationCanceledException)
        {
            // What came stands: its line is ended before the failure is told below it.
            await printer.EndAsync();
            if (exception is OperationCanceledException && !common.IsJson) await report.WriteAsync(console, common.IsVerbose);
            throw;
        }

        await printer.EndAsync();
        if (!common.IsJson) await report.WriteAsync(console, common.IsVerbose);
        return ExitCodes.Of(report.FinishReason);
    }
}
