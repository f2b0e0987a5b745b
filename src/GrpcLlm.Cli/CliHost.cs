using System.CommandLine;
using System.CommandLine.Invocation;
using GrpcLlm.Cli.Commands;
using GrpcLlm.Cli.Output;
using GrpcLlm.Client;

namespace GrpcLlm.Cli;

/// <summary>The program, apart from the process: parse, run one command, turn every failure into three lines and a code.</summary>
internal static class CliHost
{
    /// <summary>Runs a command line as if input were piped and nothing a terminal.</summary>
    /// <returns>The exit code.</returns>
    public static Task<int> RunAsync(
        string[] args, TextReader stdin, TextWriter stdout, TextWriter stderr, CancellationToken cancellationToken) =>
        RunAsync(args, new CliConsole(stdin, stdout, stderr), cancellationToken);

    /// <summary>Runs a command line.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] args, CliConsole console, CancellationToken cancellationToken)
    {
        var root = CreateRoot(console);

        // A prompt may begin with '@'; it is not the name of a file with arguments.
        var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        var failures = new FailureReport(console, CommonOptions.Of(parsed));
        if (parsed.Action is ParseErrorAction)
        {
            var mistakes = parsed.Errors.Select(error => error.Message).Distinct(StringComparer.Ordinal);
            return failures.WriteUsage(string.Join(' ', mistakes), parsed.CommandResult.Command);
        }

        try
        {
            return await parsed.InvokeAsync(Invocation(console), cancellationToken);
        }
        catch (UsageException exception)
        {
            return failures.WriteUsage(exception.Message, parsed.CommandResult.Command);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return failures.WriteInterrupted();
        }
        catch (GenerationException exception)
        {
            return failures.Write(exception);
        }
        catch (IOException exception)
        {
            // Nobody reads the results any more: the call has been cancelled on the way here.
            return failures.WriteUnexpected("cannot write the results", exception);
        }
        catch (Exception exception)
        {
            // The outermost frame: whatever else went wrong is told in the same form.
            return failures.WriteUnexpected("unexpected failure", exception);
        }
        finally
        {
            await FlushAsync(console.Out);
        }
    }

    private static RootCommand CreateRoot(CliConsole console)
    {
        var root = new RootCommand("Talks to a GrpcLlm service, which streams the output of language models.")
        {
            GenerateCommand.Create(console),
            ModelsCommand.Create(console),
            CountTokensCommand.Create(console),
            CancelCommand.Create(console),
            HealthCommand.Create(console),
            BenchCommand.Create(console),
        };
        CommonOptions.AddTo(root);
        HelpWithExamples.AddTo(root);
        return root;
    }

    private static InvocationConfiguration Invocation(CliConsole console) => new()
    {
        Output = console.Out,
        Error = console.Error,

        // Failures and Ctrl-C are handled here and in Program: to the same end in every command.
        EnableDefaultExceptionHandler = false,
        ProcessTerminationTimeout = null,
    };

    private static async Task FlushAsync(TextWriter writer)
    {
        try
        {
            await writer.FlushAsync();
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            // The pipe is closed, or nobody read it when the user interrupted; the exit code has said so.
        }
    }
}
