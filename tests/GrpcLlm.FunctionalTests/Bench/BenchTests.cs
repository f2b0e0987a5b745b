using System.Text.Json;
using GrpcLlm.Cli;
using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.FunctionalTests.Testing;

namespace GrpcLlm.FunctionalTests.Bench;

/// <summary>The bench against the real server: what it counts is what the server did. How exact its times are, `bench calibrate` tells.</summary>
public sealed class BenchTests : IDisposable
{
    private static readonly string[] Fast =
    [
        "GrpcLlm:DefaultModel=simulator", "GrpcLlm:Backends:simulator:TimeToFirstToken=00:00:00.02",
        "GrpcLlm:Backends:simulator:InterTokenLatency=00:00:00.002",
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("bench").FullName;

    [Fact]
    public async Task Simulator_OfKnownLength_IsCountedExactly()
    {
        await using var server = await LlmServer.StartAsync(Fast);

        var (code, run) = await RunAsync(server.Address, "-c", "4", "-n", "20", "--max-tokens", "30", "--connections", "2");

        code.ShouldBe(ExitCodes.Well);
        run.Streams.ShouldBe(new StreamCounts { Started = 20, Succeeded = 20 });
        run.Throughput.OutputTokens.ShouldBe(20 * 30);
        run.Metrics[MetricNames.Itl].Count.ShouldBe(20 * 29);
        run.Metrics[MetricNames.Tpot].Count.ShouldBe(20);
        run.FinishReasons.ShouldBe(new Dictionary<string, long> { ["length"] = 20 });
        run.StreamSamples.ShouldAllBe(sample =>
            sample.OutputTokens == 30 && sample.Planned <= sample.Sent && sample.Sent < sample.FirstToken
            && sample.FirstToken < sample.LastToken && sample.LastToken <= sample.Ended);
    }

    [Fact]
    public async Task ServerTimes_AreWithinWhatTheClientSees()
    {
        await using var server = await LlmServer.StartAsync(Fast);

        var (_, run) = await RunAsync(server.Address, "-c", "2", "-n", "10", "--max-tokens", "10");

        foreach (var (servers, clients) in new[] { (MetricNames.ServerTtft, MetricNames.Ttft), (MetricNames.ServerTotal, MetricNames.E2e) })
        {
            run.Metrics[servers].Count.ShouldBe(10);
            run.Metrics[servers].Mean.ShouldBeLessThan(run.Metrics[clients].Mean);
        }

        run.Metrics[MetricNames.NetworkTtft].Mean.ShouldBe(
            run.Metrics[MetricNames.Ttft].Mean - run.Metrics[MetricNames.ServerTtft].Mean, 0.001);
    }

    [Fact]
    public async Task Embedded_RealModel_IsMeasuredLikeAnyOther()
    {
        await using var server = await LlmServer.StartAsync();

        var (code, run) = await RunAsync(server.Address, "-c", "1", "-n", "2", "--model", "embedded", "--max-tokens", "8", "--prompt", "Once");

        code.ShouldBe(ExitCodes.Well);
        run.Load.Model.ShouldBe("embedded");
        run.Throughput.OutputTokens.ShouldBe(16);
        run.Throughput.InputTokens.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task Failures_HaveTheServersReasons()
    {
        await using var server = await LlmServer.StartAsync(Fast);

        var (unknown, run) = await RunAsync(server.Address, "-n", "3", "--model", "no-such-model");
        var (invalid, other) = await RunAsync(server.Address, "-n", "2", "--data", """{"prompt": "x", "sampling": {"temperature": 9}}""");

        (unknown, invalid).ShouldBe((ExitCodes.Failed, ExitCodes.Failed));
        run.Errors.Single().ShouldSatisfyAllConditions(
            error => error.Reason.ShouldBe("MODEL_NOT_FOUND"), error => error.Status.ShouldBe("NOT_FOUND"), error => error.Count.ShouldBe(3));
        other.Errors.Single().Reason.ShouldBe("INVALID_REQUEST");
        run.Metrics.ShouldBeEmpty();
    }

    [Fact]
    public async Task Server_KilledMidRun_LeavesAPartialReport()
    {
        await using var server = await ServerProcess.StartAsync(Fast);
        var file = Path.Combine(_folder, "partial.json");
        var csv = Path.Combine(_folder, "streams.csv");
        await using var output = new StringWriter();
        await using var error = new StringWriter();
        string[] args =
        [
            "bench", "-c", "2", "-z", "10m", "--max-tokens", "20", "--output", file, "--output", csv, "--address", server.Address.ToString(),
        ];

        var running = CliHost.RunAsync(args, new CliConsole(TextReader.Null, output, error), TestContext.Current.CancellationToken);
        await Eventually.IsAsync(() => File.Exists(csv) && new FileInfo(csv).Length > 2000);
        await server.SignalAsync("KILL");
        var code = await running;

        code.ShouldBe(ExitCodes.Unavailable);
        error.ToString().ShouldContain("stopped answering");
        var run = (await BenchFileReader.ReadAsync(file, TestContext.Current.CancellationToken)).Runs.Single();
        run.End.ShouldBe(RunEnd.TargetLost);
        run.Streams.Succeeded.ShouldBeGreaterThan(0);
        run.Streams.Failed.ShouldBeGreaterThan(0);
        run.Metrics[MetricNames.E2e].Count.ShouldBe(run.Streams.Succeeded);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task<(int Code, BenchRun Run)> RunAsync(Uri address, params string[] options)
    {
        await using var output = new StringWriter();
        await using var error = new StringWriter();
        string[] args = ["bench", .. options, "--json", "--address", address.ToString()];
        var code = await CliHost.RunAsync(args, new CliConsole(TextReader.Null, output, error), TestContext.Current.CancellationToken);
        error.ToString().ShouldBeEmpty();
        return (code, JsonSerializer.Deserialize(output.ToString(), BenchJson.Default.BenchFile)!.Runs.Single());
    }
}
