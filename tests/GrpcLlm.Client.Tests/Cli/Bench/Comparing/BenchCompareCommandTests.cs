using System.CommandLine;
using System.Text.Json;
using GrpcLlm.Cli;
using GrpcLlm.Cli.Bench.Reports;
using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Cli.Commands;
using GrpcLlm.Client.Tests.Cli.Bench.Reports;

namespace GrpcLlm.Client.Tests.Cli.Bench.Comparing;

public sealed class BenchCompareCommandTests : IDisposable
{
    private static readonly BenchFile Fast = ComparerTests.File(ComparerTests.Runs([0, 2, 4, 6, 8], 90));
    private static readonly BenchFile Slow = ComparerTests.File(ComparerTests.Runs([1, 3, 5, 7, 9], 100));

    private readonly string _folder = Directory.CreateTempSubdirectory("grpcllm-compare").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Compare_Regression_IsTold()
    {
        var (code, output) = await RunAsync(Save("a.json", Fast), Save("b.json", Slow));

        code.ShouldBe(ExitCodes.Well);
        var row = output.Split('\n').Single(line => line.StartsWith("TTFT p50", StringComparison.Ordinal));
        row.ShouldContain("90.2 ms");
        row.ShouldContain("100 ms");
        row.ShouldContain("+11.1 %");
        row.ShouldEndWith("worse");
    }

    [Fact]
    public async Task FailOnRegression_DecidesTheExitCode()
    {
        var (fast, slow) = (Save("a.json", Fast), Save("b.json", Slow));

        (await RunAsync(fast, slow, "--fail-on-regression")).Code.ShouldBe(ExitCodes.ObjectiveMissed);
        (await RunAsync(fast, fast, "--fail-on-regression")).Code.ShouldBe(ExitCodes.Well);
    }

    [Fact]
    public async Task Json_HasTheNumbersAndTheVerdicts()
    {
        var (_, output) = await RunAsync(Save("a.json", Fast), Save("b.json", Slow), "--json");

        using var json = JsonDocument.Parse(output);
        var metric = json.RootElement.GetProperty("metrics")[0];
        metric.GetProperty("name").GetString().ShouldBe("ttftP50");
        metric.GetProperty("verdict").GetString().ShouldBe("worse");
        metric.GetProperty("interval").GetProperty("low").GetDouble().ShouldBeGreaterThan(1.1);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(2)]
    public async Task Output_IsAPageThatStandsAlone(int runs)
    {
        var page = Path.Combine(_folder, "c.html");
        var (fast, slow) = (Fast with { Runs = [.. Fast.Runs.Take(runs)] }, Slow with { Runs = [.. Slow.Runs.Take(runs)] });

        await RunAsync(Save("<script>.json", fast), Save("b.json", slow), "--output", page);

        var written = new PageText(await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken));
        written.ShouldStandAlone();
        written.Words.ShouldContain(runs < 5 ? "No verdict" : "Worse: TTFT p50, TTFT p99");
        written.Find("ttft-curve").ShouldNotBeNull();
    }

    [Theory]
    [InlineData("not json", "is no result file")]
    [InlineData("{\"schema\":\"grpcllm.bench/9\",\"runs\":[]}", "has the schema 'grpcllm.bench/9'")]
    [InlineData("{\"schema\":\"grpcllm.bench/1\",\"runs\":[]}", "holds no run")]
    [InlineData("{\"schema\":\"grpcllm.bench/1\",\"runs\":[{}]}", "is no result file")]
    public async Task File_ThatIsNoResult_IsRefused(string content, string message)
    {
        var path = Path.Combine(_folder, "x.json");
        await File.WriteAllTextAsync(path, content, TestContext.Current.CancellationToken);

        var refusal = await Should.ThrowAsync<UsageException>(() => RunAsync(path, path));

        refusal.Message.ShouldContain(message);
    }

    [Fact]
    public async Task File_WithoutWhatHasADefault_IsRead()
    {
        var path = Path.Combine(_folder, "short.json");
        await File.WriteAllTextAsync(
            path,
            """
            {"schema":"grpcllm.bench/1","runs":[{"startedAt":"2026-01-02T03:04:05Z","end":"total","environment":{},
            "load":{"target":"http://localhost","loop":"closed"},"measuredSeconds":1,"streams":{},"throughput":{},
            "metrics":{"ttft":{"count":1,"mean":2,"standardDeviation":0,"min":2,"max":2,"p50":2,"p90":2,"p95":2,"p99":2,"p999":2,"buckets":[{"le":2,"count":1}]}}}]}
            """,
            TestContext.Current.CancellationToken);
        var page = Path.Combine(_folder, "short.html");

        var (code, output) = await RunAsync(path, path, "--output", page);

        code.ShouldBe(0);
        output.ShouldContain("TTFT p50");
        var run = (await BenchFileReader.ReadAsync(path, TestContext.Current.CancellationToken)).Runs.Single();
        run.Load.Connections.ShouldBe(1);
        run.Tags.ShouldBeEmpty();
        await using var report = new StringWriter();
        HtmlReport.Write(new BenchFile { Runs = [run] }, report);
        report.ToString().ShouldContain("http://localhost");
    }

    [Fact]
    public async Task File_ThatIsNotThere_IsRefused() =>
        (await Should.ThrowAsync<UsageException>(() => RunAsync("no.json", "no.json"))).Message.ShouldContain("cannot be read");

    [Fact]
    public async Task Output_ThatIsNoPage_IsRefused() =>
        (await Should.ThrowAsync<UsageException>(() => RunAsync("a.json", "b.json", "--output", "c.pdf"))).Message.ShouldContain("ends with .html");

    [Fact]
    public async Task Output_IntoAFolderThatIsNotThere_IsRefused()
    {
        var file = Save("a.json", Fast);

        (await Should.ThrowAsync<UsageException>(() => RunAsync(file, file, "--output", Path.Combine(_folder, "no", "c.html")))).Message.ShouldContain("cannot be written");
    }

    private string Save(string name, BenchFile file)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, JsonSerializer.Serialize(file, BenchJson.Default.BenchFile));
        return path;
    }

    private static async Task<(int Code, string Output)> RunAsync(params string[] args)
    {
        await using var output = new StringWriter { NewLine = "\n" };
        var root = new RootCommand { BenchCompareCommand.Create(new CliConsole(TextReader.Null, output, TextWriter.Null)) };
        CommonOptions.AddTo(root);
        var parsed = root.Parse(["compare", .. args]);
        var code = await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false }, TestContext.Current.CancellationToken);
        return (code, output.ToString());
    }
}
