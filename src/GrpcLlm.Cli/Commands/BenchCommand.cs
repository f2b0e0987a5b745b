using System.CommandLine;
using System.Text;
using GrpcLlm.Cli.Bench.Load;
using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Cli.Bench.Terminal;
using GrpcLlm.Cli.Output;
using GrpcLlm.Client;

namespace GrpcLlm.Cli.Commands;

/// <summary><c>grpcllm bench</c></summary>
internal static class BenchCommand
{
    public static Command Create(CliConsole console)
    {
        var options = new BenchOptions();
        var command = new Command(
            "bench",
            "Put a service under load and measure its streams: time to first token, time per token, errors, goodput. "
            + "Exit code 3 if objectives or the error budget are missed.")
        {
            BenchReportCommand.Create(console, (path, output, common, cancellationToken) => ReportAsync(path, output, console, common, cancellationToken)),
            BenchCompareCommand.Create(console),
            CalibrateCommand.Create(console),
        };
        options.AddTo(command);
        command.SetAction((parsed, cancellationToken) =>
            RunAsync(options.Read(parsed, TimeProvider.System), console, CommonOptions.Of(parsed), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        BenchSetup setup, CliConsole console, CommonOptions common, CancellationToken cancellationToken)
    {
        if (setup.Profile.Host is { } host)
            common = common with { AddressText = common.AddressText ?? $"{(setup.Profile.Insecure ? "http" : "https")}://{host}" };
        var connection = ConnectionOf(setup, common.ClientOptionsIn(console));
        var earlier = await EarlierRunsAsync(setup, connection.Address!, cancellationToken);
        using var files = ResultFiles.Open(setup.Outputs, setup.Runs);
        using var target = await Target.ConnectAsync(connection, setup.Plan.Connections, cancellationToken);

        var runs = new List<BenchRun>();
        var code = ExitCodes.Well;
        for (var number = 1; number <= setup.Runs && !cancellationToken.IsCancellationRequested; number++)
        {
            if (files.Csv is { } csv) csv.Run = number;
            var run = await MeasureAsync(setup, target, files.Csv, console, common, cancellationToken);
            runs.Add(run);
            if (!common.IsJson) await TellAsync(run, number, setup.Runs, console, common);
            if (code == ExitCodes.Well) code = CodeOf(run);

            // What a run without an end of its own leaves is not the same load any more.
            if (run.End is RunEnd.Interrupted or RunEnd.TargetLost or RunEnd.OpenLimit) break;
        }

        var file = new BenchFile { Runs = runs };
        await files.WriteAsync(file);
        if (setup.Append is { } append) await ResultFiles.WriteJsonAsync(new BenchFile { Runs = [.. earlier, .. runs] }, append);
        if (common.IsJson) await console.Out.WriteLineAsync(Encoding.UTF8.GetString(BenchJson.Compact(file)));
        return code;
    }

    /// <summary>Tells what a result file holds, as after the run.</summary>
    private static async Task<int> ReportAsync(
        string path, string? output, CliConsole console, CommonOptions common, CancellationToken cancellationToken)
    {
        var file = await BenchFileReader.ReadAsync(path, cancellationToken);
        if (output is not null) await ResultFiles.ConvertAsync(file, output);
        if (common.IsJson) await console.Out.WriteLineAsync(Encoding.UTF8.GetString(BenchJson.Compact(file)));
        else for (var index = 0; index < file.Runs.Count; index++) await SummariseAsync(file.Runs[index], index + 1, file.Runs.Count, console, common);
        return ExitCodes.Well;
    }

    private static async Task<BenchRun> MeasureAsync(
        BenchSetup setup, Target target, StreamCsv? csv, CliConsole console, CommonOptions common, CancellationToken cancellationToken)
    {
        using var load = new LoadRun(setup.Plan, target, setup.Calls, TimeProvider.System) { Csv = csv };
        var quiet = common.IsJson ? console with { Color = false } : console;
        await using var progress = new ProgressLine(quiet, setup.Plan, load.Live, TimeProvider.System);
        return await load.RunAsync(cancellationToken);
    }

    private static async Task SummariseAsync(BenchRun run, int number, int of, CliConsole console, CommonOptions common)
    {
        if (of > 1) await console.Out.WriteLineAsync($"{(number > 1 ? "\n" : "")}run {number} of {of}");
        await RunSummary.WriteAsync(console.Out, run, common.IsVerbose);
        await console.Out.FlushAsync();
    }

    private static async Task TellAsync(BenchRun run, int number, int of, CliConsole console, CommonOptions common)
    {
        await SummariseAsync(run, number, of, console, common);
        if (run.EndDetail.Length > 0)
            await console.Error.WriteLineAsync(TerminalText.Line($"grpcllm: {run.EndDetail} What was measured until then is above."));
    }

    private static GrpcLlmClientOptions ConnectionOf(BenchSetup setup, GrpcLlmClientOptions options)
    {
        if (setup.Profile.ConnectTimeout is { } connectTimeout) options.ConnectTimeout = connectTimeout;
        if (setup.Profile.Keepalive is { } ping) options.KeepAlivePingDelay = ping;
        if (setup.Profile.MaxReceiveMessageSize is { } size) options.MaxReceiveMessageSize = (int)size;
        var errors = OptionsErrors.Of(options, ownsChannel: true);
        return errors.Count == 0 ? options : throw new UsageException(string.Join(' ', errors));
    }

    /// <summary>The runs that are in the file already.</summary>
    /// <exception cref="UsageException">They are of another load.</exception>
    private static async Task<IReadOnlyList<BenchRun>> EarlierRunsAsync(
        BenchSetup setup, Uri address, CancellationToken cancellationToken)
    {
        if (setup.Append is not { } path || !File.Exists(path)) return [];
        var runs = (await BenchFileReader.ReadAsync(path, cancellationToken)).Runs;
        var settings = setup.Plan.SettingsFor(address, setup.Calls.ModelInUse());
        return runs.All(run => run.Load == settings)
            ? runs
            : throw new UsageException($"'{path}' holds runs of another load; runs that are compared must differ in nothing but the target's own state.");
    }

    /// <summary>What a pipeline is told of a run.</summary>
    private static int CodeOf(BenchRun run) => run.End switch
    {
        RunEnd.Interrupted => ExitCodes.Interrupted,
        RunEnd.TargetLost => ExitCodes.Unavailable,
        RunEnd.OpenLimit => ExitCodes.Failed,
        _ when RunVerdict.Of(run).Kind == VerdictKind.Missed => ExitCodes.ObjectiveMissed,

        // Not one stream ended well: nobody asked for a limit, but this is no measurement.
        _ when run.Streams.Succeeded == 0 => ExitCodes.Failed,
        _ => ExitCodes.Well,
    };
}
