using System.CommandLine;
using GrpcLlm.Cli;
using GrpcLlm.Cli.Commands;

namespace GrpcLlm.Client.Tests.Cli.Bench.Ghz;

/// <summary>One run of <c>bench report</c> on files under <c>Data</c>, which were written for these tests (see there).</summary>
internal sealed record ReportRun(int ExitCode, string Output)
{
    public static string FileOf(string name) => Path.Combine(AppContext.BaseDirectory, "Cli", "Bench", "Ghz", "Data", name);

    /// <summary>Runs; names without a folder are files under <c>Data</c>.</summary>
    /// <exception cref="UsageException">As the command throws it.</exception>
    public static async Task<ReportRun> OfAsync(string line, BenchFileReporter? own = null)
    {
        await using var output = new StringWriter { NewLine = "\n" };
        var console = new CliConsole(TextReader.Null, output, TextWriter.Null);
        var root = new RootCommand { BenchReportCommand.Create(console, own ?? ((_, _, _, _) => throw new InvalidOperationException("not asked"))) };
        CommonOptions.AddTo(root);
        var words = line.Split(' ').Select(word => File.Exists(FileOf(word)) ? FileOf(word) : word);
        var parsed = root.Parse(["report", .. words]);
        parsed.Errors.ShouldBeEmpty();
        var code = await parsed.InvokeAsync(
            new InvocationConfiguration { EnableDefaultExceptionHandler = false }, TestContext.Current.CancellationToken);
        return new ReportRun(code, output.ToString());
    }
}
