using GrpcLlm.Cli;

namespace GrpcLlm.Client.Tests.Cli;

/// <summary>One run of the command line and what it printed.</summary>
internal sealed record CliRun(int ExitCode, string Output, string Error)
{
    public string[] OutputLines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Runs against a test server.</summary>
    public static Task<CliRun> OfAsync(TestServer server, params string[] args) =>
        OfAsync([.. args, "--address", server.Address.ToString()]);

    /// <summary>Runs a whole command line.</summary>
    public static async Task<CliRun> OfAsync(string[] args, string stdin = "", Func<CliConsole, CliConsole>? with = null)
    {
        await using var output = new StringWriter { NewLine = "\n" };
        await using var error = new StringWriter { NewLine = "\n" };
        var console = new CliConsole(new StringReader(stdin), output, error);
        if (with is not null) console = with(console);
        var code = await CliHost.RunAsync(args, console, TestContext.Current.CancellationToken);
        return new CliRun(code, output.ToString(), error.ToString());
    }
}
