using System.CommandLine;
using System.Text.Json;
using GrpcLlm.Cli.Bench.Comparing;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Commands;

/// <summary><c>grpcllm bench compare BASE CANDIDATE</c></summary>
internal static class BenchCompareCommand
{
    public static Command Create(CliConsole console)
    {
        var baseline = new Argument<string>("BASE") { Description = "Result file to compare with." };
        var candidate = new Argument<string>("CANDIDATE") { Description = "Result file that is better or worse." };
        var output = new Option<string?>("--output", "-o") { Description = "Write a page with the comparison, too.", HelpName = "FILE.html" };
        var fail = new Option<bool>("--fail-on-regression") { Description = $"Exit with {ExitCodes.ObjectiveMissed} if a metric is worse by verdict." };
        var command = new Command(
            "compare",
            $"Compare two result files. A verdict takes at least {Comparer.FewestRuns} runs in each (--append), "
            + $"interleaved: at most {Comparer.MostInARow} in a row from one file.")
        {
            baseline, candidate, output, fail,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (before, after) = (parsed.GetRequiredValue(baseline), parsed.GetRequiredValue(candidate));
            var page = parsed.GetValue(output);
            if (page is not null && !page.EndsWith(".html", StringComparison.OrdinalIgnoreCase))
                throw new UsageException($"'{page}': a comparison is written as a page; name a file that ends with .html.");

            var left = await BenchFileReader.ReadAsync(before, cancellationToken);
            var right = await BenchFileReader.ReadAsync(after, cancellationToken);
            var comparison = Comparer.Compare(before, left, after, right);
            if (page is not null) await WritePageAsync(page, comparison, left, right, cancellationToken);
            if (CommonOptions.Of(parsed).IsJson)
                await console.Out.WriteLineAsync(JsonSerializer.Serialize(comparison, ComparisonJson.Default.Comparison));
            else
                await ComparisonText.WriteAsync(console.Out, comparison);
            return parsed.GetValue(fail) && comparison.IsWorse ? ExitCodes.ObjectiveMissed : ExitCodes.Well;
        });
        return command;
    }

    private static async Task WritePageAsync(
        string path, Comparison comparison, BenchFile left, BenchFile right, CancellationToken cancellationToken)
    {
        await using var page = new StringWriter();
        ComparisonReport.Write(comparison, left, right, page);
        try
        {
            await File.WriteAllTextAsync(path, page.ToString(), cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"'{path}' cannot be written: {exception.Message}");
        }
    }
}
