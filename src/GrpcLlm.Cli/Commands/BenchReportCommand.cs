using System.CommandLine;
using GrpcLlm.Cli.Bench.Ghz;

namespace GrpcLlm.Cli.Commands;

/// <summary>Reports on one result file of <c>grpcllm bench</c>, the way the bench itself does after a run.</summary>
/// <param name="path">The file.</param>
/// <param name="output">File to write the report to (<c>--output</c>); null: the terminal alone.</param>
/// <param name="common">The common options.</param>
/// <param name="cancellationToken">Stops it.</param>
/// <returns>The exit code.</returns>
internal delegate Task<int> BenchFileReporter(string path, string? output, CommonOptions common, CancellationToken cancellationToken);

/// <summary><c>grpcllm bench report</c></summary>
internal static class BenchReportCommand
{
    /// <summary>Makes the command.</summary>
    /// <param name="console">The console.</param>
    /// <param name="reportBenchFile">Reports on the bench's own files.</param>
    public static Command Create(CliConsole console, BenchFileReporter reportBenchFile)
    {
        var files = new Argument<string[]>("file")
        {
            Description = "Result files of grpcllm bench, reports of ghz (--format json or pretty), or logs of ghz (--debug).",
            Arity = ArgumentArity.OneOrMore,
        };
        var output = new Option<string?>("--output", "-o")
        {
            Description = "For a result file of grpcllm bench: file to write the report to, by its ending .html, .json or .ghz.json.",
            HelpName = "FILE",
        };
        var cut = new Option<long?>("--stream-call-count")
        {
            Description = "For reports of ghz without the tag stream-call-count: message at which their calls were cancelled.",
            HelpName = "K",
        };
        var tokens = new Option<long?>("--tokens")
        {
            Description = "For reports of ghz whose data do not limit the output: tokens that every answer had.",
            HelpName = "N",
        };
        foreach (var option in new[] { cut, tokens })
        {
            option.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<long?>() is <= 0) result.AddError($"{option.Name} must be 1 or more.");
            });
        }

        var command = new Command("report", "Report on results of grpcllm bench and of ghz: TTFT, TPOT, and what to know about them.")
        {
            files, output, cut, tokens,
        };
        command.SetAction((parsed, cancellationToken) => RunAsync(
            new Request(parsed.GetValue(files)!, parsed.GetValue(output), parsed.GetValue(cut), parsed.GetValue(tokens)),
            console, reportBenchFile, CommonOptions.Of(parsed), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        Request request, CliConsole console, BenchFileReporter reportBenchFile, CommonOptions common, CancellationToken cancellationToken)
    {
        List<string> own = [];
        List<GhzRun> runs = [];
        List<DebugRun> logs = [];
        foreach (var path in request.Files)
        {
            switch (await GhzReportReader.KindOfAsync(path, cancellationToken))
            {
                case ReportFileKind.Bench:
                    own.Add(path);
                    break;
                case ReportFileKind.Ghz:
                    runs.Add(GhzRun.Of(path, await GhzReportReader.ReadAsync(path, cancellationToken), request.CutAt));
                    break;
                case ReportFileKind.GhzDebug:
                    logs.Add(await DebugRun.ReadAsync(path, cancellationToken));
                    break;
            }
        }

        if (own.Count > 0 && runs.Count + logs.Count > 0)
            throw new UsageException($"'{own[0]}' is of grpcllm bench, and others are of ghz: report on them one by one.");
        if (request.Output is not null && own.Count != 1)
            throw new UsageException("--output takes one result file of grpcllm bench.");
        return own.Count > 0
            ? await ReportOwnAsync(own, request.Output, reportBenchFile, common, cancellationToken)
            : await ReportGhzAsync(GhzSummary.Of(runs, logs, request.Tokens), console, common);
    }

    private static async Task<int> ReportOwnAsync(
        List<string> paths, string? output, BenchFileReporter reportBenchFile, CommonOptions common, CancellationToken cancellationToken)
    {
        var code = ExitCodes.Well;
        foreach (var path in paths) code = Math.Max(code, await reportBenchFile(path, output, common, cancellationToken));
        return code;
    }

    /// <summary>Unlike ghz, this fails where every call failed.</summary>
    private static async Task<int> ReportGhzAsync(GhzSummary summary, CliConsole console, CommonOptions common)
    {
        if (common.IsJson) await GhzSummaryPrinter.WriteJsonAsync(console.Out, summary);
        else await GhzSummaryPrinter.WriteAsync(console.Out, summary);
        return summary.HasAny ? ExitCodes.Well : ExitCodes.Failed;
    }

    private sealed record Request(IReadOnlyList<string> Files, string? Output, long? CutAt, long? Tokens);
}
