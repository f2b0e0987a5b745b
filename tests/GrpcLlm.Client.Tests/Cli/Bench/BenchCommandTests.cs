using System.Text.Json;
using Grpc.Core;
using GrpcLlm.Cli;
using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Cli.Bench;

public sealed class BenchCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("bench").FullName;

    [Fact]
    public async Task Bench_Well_PrintsEveryMetricAndExitsWithZero()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());

        var run = await CliRun.OfAsync(server, "bench", "-c", "3", "-n", "20", "--verbose");

        run.ExitCode.ShouldBe(ExitCodes.Well, run.Error);
        run.Error.ShouldBeEmpty();
        run.Output.ShouldContain("20 succeeded, 0 failed");
        foreach (var label in new[] { "TTFT", "TPOT", "NTPOT", "ITL", "E2E", "Server TTFT", "Network TTFT" })
            run.OutputLines.ShouldContain(line => line.TrimStart().StartsWith(label + " ", StringComparison.Ordinal));
        run.Output.ShouldContain("closed loop, 3 callers");
        run.Output.ShouldContain(MetricNames.All[0].Definition);
    }

    [Fact]
    public async Task Bench_Json_IsTheWholeResultOnOneLine()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());

        var run = await CliRun.OfAsync(server, "bench", "-n", "5", "--name", "five", "--seed", "9", "--json");

        var file = JsonSerializer.Deserialize(run.OutputLines.ShouldHaveSingleItem(), BenchJson.Default.BenchFile)!;
        var result = file.Runs.ShouldHaveSingleItem();
        (result.Name, result.Load.Seed, result.Load.Loop, result.Streams.Succeeded).ShouldBe(("five", 9, "closed", 5));
        result.End.ShouldBe(RunEnd.Total);
        result.Environment.Processors.ShouldBe(Environment.ProcessorCount);
        result.Environment.SharesMachineWithTarget.ShouldBe(true);
    }

    [Fact]
    public async Task Bench_Requests_AreThoseOfTheCommandLine()
    {
        await using var server = await TestServer.StartAsync();
        var requests = new List<GenerateRequest>();
        server.Service.OnGenerate = async (request, stream, _) =>
        {
            lock (requests) requests.Add(request);
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk);
        };

        await CliRun.OfAsync(server, "bench", "-n", "2", "-c", "1", "--model", "tiny", "--prompt", "Call {{.RequestNumber}}");
        await CliRun.OfAsync(server, "bench", "-n", "1", "-c", "1", "--data", """{"prompt": "p", "sampling": {"seed": "5"}}""");

        requests.Select(request => request.Prompt).ShouldBe(["Call 0", "Call 1", "p"]);
        requests.Select(request => request.Model).ShouldBe(["tiny", "tiny", ""]);
        requests.Select(request => request.Limits?.MaxOutputTokens ?? 0).ShouldBe([64u, 64u, 0u]);
        requests[2].Sampling.Seed.ShouldBe(5);
    }

    [Fact]
    public async Task Bench_Files_AreWrittenInTheFormOfTheirEnding()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.OnGenerate = async (request, stream, _) =>
        {
            if (request.Prompt == "1") throw ServerFailure.Of(StatusCode.Unavailable, "OVERLOADED", "full, \"really\"");
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk);
        };
        string[] files = [File("run.json"), File("streams.csv"), File("report.html"), File("run.ghz.json")];

        var run = await CliRun.OfAsync(
            server, ["bench", "-n", "3", "-c", "1", "--prompt", "{{.RequestNumber}}", .. files.SelectMany(file => new[] { "--output", file })]);

        run.ExitCode.ShouldBe(ExitCodes.Well, run.Error);
        var read = await BenchFileReader.ReadAsync(files[0], TestContext.Current.CancellationToken);
        read.Runs.Single().Streams.ShouldBe(new StreamCounts { Started = 3, Succeeded = 2, Failed = 1 });
        var lines = await System.IO.File.ReadAllLinesAsync(files[1], TestContext.Current.CancellationToken);
        lines[0].ShouldBe(StreamCsv.Header);
        lines.Length.ShouldBe(4);
        lines.ShouldAllBe(line => line.Split(',', StringSplitOptions.None).Length == StreamCsv.Header.Split(',', StringSplitOptions.None).Length);
        lines.ShouldContain(line => line.Contains(",OVERLOADED,UNAVAILABLE,false,"));
        (await TextAsync(files[2])).ShouldStartWith("<!doctype html>", Case.Insensitive);
        JsonDocument.Parse(await TextAsync(files[3])).RootElement.GetProperty("count").GetInt64().ShouldBe(3);
    }

    [Fact]
    public async Task Append_OfTheSameLoad_AddsTheRunAndRefusesAnother()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());
        string[] load = ["bench", "-n", "4", "-c", "2", "--append", File("all.json")];

        (await CliRun.OfAsync(server, load)).ExitCode.ShouldBe(ExitCodes.Well);
        (await CliRun.OfAsync(server, [.. load, "--runs", "2"])).ExitCode.ShouldBe(ExitCodes.Well);
        var other = await CliRun.OfAsync(server, [.. load, "--seed", "1"]);

        other.ExitCode.ShouldBe(ExitCodes.Usage);
        other.Error.ShouldContain("another load");
        (await BenchFileReader.ReadAsync(File("all.json"), TestContext.Current.CancellationToken)).Runs.Count.ShouldBe(3);
    }

    [Theory]
    [InlineData("--slo ttft=1h", 0, ExitCodes.Well)]
    [InlineData("--slo ttft=1h", 1, ExitCodes.ObjectiveMissed)]
    [InlineData("--slo ttft=0.0001ms", 0, ExitCodes.ObjectiveMissed)]
    [InlineData("--slo ttft=0.0001ms --goodput 0", 0, ExitCodes.Well)]
    [InlineData("--slo ttft=1h --goodput 0.75", 2, ExitCodes.Well)]
    [InlineData("--slo ttft=1h --goodput 0.76", 2, ExitCodes.ObjectiveMissed)]
    [InlineData("--error-budget 0.25", 2, ExitCodes.Well)]
    [InlineData("--error-budget 0.24", 2, ExitCodes.ObjectiveMissed)]
    [InlineData("--verbose", 2, ExitCodes.Well)]
    public async Task Objectives_OfEightStreams_DecideTheExitCode(string options, int failing, int code)
    {
        await using var server = await TestServer.StartAsync();
        server.Service.OnGenerate = async (request, stream, _) =>
        {
            if (int.Parse(request.Prompt) < failing) throw ServerFailure.Of(StatusCode.Unavailable, "OVERLOADED", "full");
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk);
        };

        var run = await CliRun.OfAsync(
            server, ["bench", "--total", "8", "-c", "1", "--prompt", "{{.RequestNumber}}", .. options.Split(' ')]);

        run.ExitCode.ShouldBe(code, run.Output);
    }

    [Fact]
    public async Task Bench_NothingSucceeds_ExitsWithOne()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.StreamsThenFails(ServerFailure.Of(StatusCode.Internal, "INTERNAL", "broken"));

        var run = await CliRun.OfAsync(server, "bench", "-n", "3");

        run.ExitCode.ShouldBe(ExitCodes.Failed);
        run.Output.ShouldContain("3 INTERNAL: broken");
    }

    [Fact]
    public async Task Bench_WrongHost_FailsBeforeAnyLoad()
    {
        var run = await CliRun.OfAsync(["bench", "-n", "1000", "--address", FailureTests.UnusedAddress().ToString()]);

        run.ExitCode.ShouldBe(ExitCodes.Unavailable);
        run.Output.ShouldBeEmpty();
        run.ErrorLines.Length.ShouldBe(3);
        run.Error.ShouldContain("no server answers");
    }

    [Fact]
    public async Task Bench_ServerTakesNoCalls_IsToldApart()
    {
        await using var server = await TestServer.StartAsync();
        server.Health.Status = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.NotServing;

        var run = await CliRun.OfAsync(server, "bench");

        run.ExitCode.ShouldBe(ExitCodes.Unavailable);
        run.Error.ShouldContain("NOT_SERVING");
    }

    [Fact]
    public async Task Bench_Interrupted_KeepsAPartialReport()
    {
        await using var server = await TestServer.StartAsync();
        using var interrupted = new CancellationTokenSource();
        server.Service.OnGenerate = async (request, stream, context) =>
        {
            await stream.WriteAsync(Chunks.First("Hello"));
            if (request.Prompt == "5")
            {
                await interrupted.CancelAsync();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);
            }

            await stream.WriteAsync(Chunks.End(2));
        };
        await using var output = new StringWriter();
        await using var error = new StringWriter();
        string[] args =
        [
            "bench", "-c", "1", "-n", "100", "--prompt", "{{.RequestNumber}}", "--output", File("partial.json"),
            "--output", File("partial.csv"), "--address", server.Address.ToString(),
        ];

        var code = await CliHost.RunAsync(args, new CliConsole(TextReader.Null, output, error), interrupted.Token);

        code.ShouldBe(ExitCodes.Interrupted);
        output.ToString().ShouldContain("5 succeeded, 0 failed, 1 unfinished");
        error.ToString().ShouldContain("Interrupted");
        var run = (await BenchFileReader.ReadAsync(File("partial.json"), TestContext.Current.CancellationToken)).Runs.Single();
        (run.End, run.Streams.Succeeded, run.Streams.Unfinished).ShouldBe((RunEnd.Interrupted, 5, 1));
        (await TextAsync(File("partial.csv"))).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(1 + 6);
    }

    [Fact]
    public async Task Config_OfGhz_IsTheLoadAndOptionsGoFirst()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());
        await System.IO.File.WriteAllTextAsync(File("load.json"), $$$"""
            {
              "name": "nightly", "call": "grpcllm.v1.GenerationService/Generate", "host": "{{{server.Address.Authority}}}", "insecure": true,
              "total": 12, "concurrency": 3, "connections": 2, "skipFirst": 2, "count-errors": true, "output": "ghz.html", "format": "html",
              "tags": { "team": "load" }, "data": { "prompt": "{{.UUID}}", "model": "tiny" }, "metadata": { "x-run": "{{.RequestNumber}}" }
            }
            """, TestContext.Current.CancellationToken);

        var whole = await CliRun.OfAsync(["bench", "--config", File("load.json"), "--json"]);
        var fewer = await CliRun.OfAsync(["bench", "--config", File("load.json"), "-n", "5", "--json"]);

        whole.ExitCode.ShouldBe(ExitCodes.Well, whole.Error);
        var run = JsonSerializer.Deserialize(whole.Output, BenchJson.Default.BenchFile)!.Runs.Single();
        run.Streams.ShouldBe(new StreamCounts { Started = 12, Warmup = 2, Succeeded = 10 });
        (run.Name, run.Load.Model, run.Load.Connections, run.Load.Concurrency, run.Tags["team"]).ShouldBe(("nightly", "tiny", 2, 3, "load"));
        run.Caveats.ShouldContain(caveat => caveat.Contains("output, format"));
        JsonSerializer.Deserialize(fewer.Output, BenchJson.Default.BenchFile)!.Runs.Single().Streams.Started.ShouldBe(5);
        System.IO.File.Exists("ghz.html").ShouldBeFalse();
    }

    [Theory]
    [InlineData("-c 5 --rps 5", "--rps does not")]
    [InlineData("--arrivals poisson", "--rps")]
    [InlineData("--goodput 0.9", "--slo")]
    [InlineData("--shuffle", "--dataset")]
    [InlineData("--slo itl=5ms", "'itl=5ms'")]
    [InlineData("--slo ttft", "ttft=200ms")]
    [InlineData("--prompt a --data {}", "one of")]
    [InlineData("--data []", "object")]
    [InlineData("--data {", "no JSON")]
    [InlineData("--data {\"promt\":\"x\"}", "promt")]
    [InlineData("--dataset no-such.jsonl", "no-such.jsonl")]
    [InlineData("--config no-such.json", "no-such.json")]
    [InlineData("--output run.xml", ".json")]
    [InlineData("--output no-such-folder/run.json", "folder")]
    [InlineData("--output a.csv --output b.csv", "one .csv")]
    [InlineData("--output a.ghz.json --runs 2", "one run")]
    [InlineData("-z 5s --warmup 5s", "shorter")]
    [InlineData("-n 0", "'0'")]
    [InlineData("--rps -1", "'-1'")]
    [InlineData("--arrivals sometimes", "sometimes")]
    [InlineData("--error-budget 1.5", "'1.5'")]
    public async Task Options_Wrong_ExitWithUsageInThreeLines(string options, string message)
    {
        await using var server = await TestServer.StartAsync();

        var run = await CliRun.OfAsync(server, ["bench", .. options.Split(' ')]);

        run.ExitCode.ShouldBe(ExitCodes.Usage, run.Error);
        run.ErrorLines.Length.ShouldBe(3);
        run.Error.ShouldContain(message);
        run.Error.ShouldContain("grpcllm bench --help");
    }

    [Fact]
    public async Task OpenLoop_Poisson_IsToldWithItsDelay()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());

        var run = await CliRun.OfAsync(server, "bench", "--rps", "500", "--arrivals", "poisson", "-n", "100", "--json");

        var result = JsonSerializer.Deserialize(run.Output, BenchJson.Default.BenchFile)!.Runs.Single();
        (result.Load.Loop, result.Load.Arrivals, result.Load.RequestsPerSecond).ShouldBe(("open", "poisson", 500));
        result.Metrics[MetricNames.ScheduleDelay].Count.ShouldBe(100);
        result.Streams.Succeeded.ShouldBe(100);
    }

    [Fact]
    public async Task Report_OfAResultFile_IsWhatTheRunSaid()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());
        var run = await CliRun.OfAsync(server, "bench", "-n", "4", "--output", File("run.json"));

        var report = await CliRun.OfAsync(["bench", "report", File("run.json"), "--output", File("run.html")]);

        report.ExitCode.ShouldBe(ExitCodes.Well, report.Error);
        report.Output.ShouldBe(run.Output);
        System.IO.File.Exists(File("run.html")).ShouldBeTrue();
        (await CliRun.OfAsync(["bench", "report", File("run.json"), "--output", File("x.csv")])).ExitCode.ShouldBe(ExitCodes.Usage);
    }

    [Fact]
    public async Task Calibrate_AgainstAModelWithASpeedOfItsOwn_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());

        var run = await CliRun.OfAsync(server, "bench", "calibrate");

        run.ExitCode.ShouldBe(ExitCodes.Usage);
        run.Error.ShouldContain("AllowRequestOverrides");
        run.Error.ShouldContain("grpcllm bench calibrate --help");
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static Task<string> TextAsync(string path) => System.IO.File.ReadAllTextAsync(path, TestContext.Current.CancellationToken);

    private string File(string name) => Path.Combine(_folder, name);
}
