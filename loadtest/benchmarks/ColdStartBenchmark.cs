using System.Diagnostics;
using Grpc.Net.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// From the start of the server's process to the first token that a client holds: as it is built, compiled by the JIT as it
/// goes, and as published with ReadyToRun code.
/// </summary>
internal static class ColdStartBenchmark
{
    private static readonly string[] Models = ["simulator", "embedded"];

    public static async Task RunAsync(Report report)
    {
        report.Section("Cold start to the first token", """
            Milliseconds from the start of the process to the first token at a client that knows the address once the server says
            that it listens. The client is warm, the files are in the page cache. `simulator` has no delay here; `embedded` loads
            the shipped model.
            """);
        var builds = new List<(string Name, string Folder)> { ("JIT, as built", ServerProcess.BuiltFolder) };
        var published = report.Quick ? null : await PublishAsync(report);
        if (published is not null) builds.Add(("ReadyToRun, published", published));
        try
        {
            var rows = new List<string[]>();
            foreach (var (name, folder) in builds)
            {
                foreach (var model in Models)
                {
                    var (listening, first) = (new List<double>(), new List<double>());
                    for (var round = -1; round < report.Pick(7, 1); round++)
                    {
                        var (one, other) = await MeasureAsync(folder, model);

                        // The first reads the files.
                        if (round < 0) continue;
                        listening.Add(one);
                        first.Add(other);
                    }

                    rows.Add([name, model, Report.Number(Statistics.Median(listening), 0), Report.Number(Statistics.Median(first), 0), Report.Number(first.Max(), 0)]);
                    report.Goal(
                        $"process start to first token, {name}, {model}", "under 1,000 ms",
                        $"{Report.Number(Statistics.Median(first), 0)} ms", Statistics.Median(first) < 1000);
                }
            }

            report.Table(["build", "model", "listening, p50", "first token, p50", "max"], rows);
        }
        finally
        {
            if (published is not null) Directory.Delete(published, recursive: true);
        }
    }

    private static async Task<(double Listening, double First)> MeasureAsync(string folder, string model)
    {
        var start = TimeProvider.System.GetTimestamp();
        await using var server = await ServerProcess.StartFromAsync(folder, "GrpcLlm:Backends:simulator:TimeToFirstToken=00:00:00");
        var listening = TimeProvider.System.GetElapsedTime(start).TotalMilliseconds;
        using var channel = GrpcChannel.ForAddress(server.Address);
        using var call = new GenerationService.GenerationServiceClient(channel).Generate(new GenerateRequest { Model = model, Prompt = "Once upon a time" });
        if (!await call.ResponseStream.MoveNext(CancellationToken.None)) throw new InvalidOperationException("No token came.");
        return (listening, TimeProvider.System.GetElapsedTime(start).TotalMilliseconds);
    }

    private static async Task<string?> PublishAsync(Report report)
    {
        var project = Path.Combine(Repository.Root, "src", "GrpcLlm.Server", "GrpcLlm.Server.csproj");
        var folder = Directory.CreateTempSubdirectory("grpcllm-r2r-").FullName;

        // Apart from the ordinary build, whose files a publish for one platform would replace.
        string[] arguments =
        [
            "publish", project, "-c", "Release", "-r", "linux-x64", "--self-contained", "false", "-p:PublishReadyToRun=true",
            $"-p:ArtifactsPath={Path.Combine(folder, "build")}", "-o", Path.Combine(folder, "server"), "--nologo", "-v", "q", "-p:RunAnalyzers=false",
        ];
        using var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, UseShellExecute = false })!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode == 0)
        {
            Directory.Delete(Path.Combine(folder, "build"), recursive: true);
            return Path.Combine(folder, "server");
        }

        Directory.Delete(folder, recursive: true);
        await Console.Error.WriteLineAsync(output);
        report.Note("Publishing with ReadyToRun did not work here, so its rows are missing.");
        return null;
    }
}
