using System.Text.Json;
using GrpcLlm.Cli;

namespace GrpcLlm.Client.Tests.Cli.Bench.Ghz;

public sealed class BenchReportCommandTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("grpcllm-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task ThreeRuns_GiveTtftAndBothTpots_TheCleanerFirst()
    {
        var run = await ReportRun.OfAsync("ttft.json full.json tpot.json");

        run.ExitCode.ShouldBe(ExitCodes.Well);
        var lines = run.Output.Split('\n');
        Cells(lines[0]).ShouldBe(["calls", "failed", "mean", "p50", "p90", "p95", "p99", "p99.9", "from"]);
        Cells(lines[1]).ShouldBe(["TTFT", "4", "0", "202.7 ms", "202.6 ms", "203.0 ms", "203.0 ms", "203.0 ms", "203.0 ms", "ttft"]);
        Cells(lines[2])[..4].ShouldBe(["E2E", "4", "0", "583.5 ms"]);
        Cells(lines[3])[..4].ShouldBe(["T10", "4", "0", "383.1 ms"]);
        Cells(lines[5]).ShouldBe(["TPOT", "20.04 ms", "(T10 - T1) / (10 - 1)", "tpot less ttft"]);
        Cells(lines[6]).ShouldBe(["TPOT", "20.04 ms", "(full - T1) / (20 - 1)", "full less ttft"]);
        run.Output.ShouldContain("Time per output token: (last token - first token) / (output tokens - 1)");
        run.Output.ShouldContain("Only means subtract");
        run.Output.ShouldContain("includes what follows the last token");
        run.Output.ShouldContain("ttft: cut at message 1, so its calls end in Canceled on purpose");
        run.Output.ShouldContain("free the server's places early");
    }

    [Fact]
    public async Task Json_HoldsTheSameFigures()
    {
        var root = await JsonOfAsync("ttft.json full-compact.json tpot.json --json");

        root.GetProperty("schema").GetString().ShouldBe("grpcllm.ghz-report/1");
        root.GetProperty("runs").EnumerateArray().Select(one => one.GetProperty("measures").GetString()).ShouldBe(["TTFT", "E2E", "T10"]);
        root.GetProperty("runs")[0].GetProperty("times").GetProperty("p99").GetDouble().ShouldBe(203.0);
        root.GetProperty("runs")[0].GetProperty("times").GetProperty("p999").GetDouble().ShouldBe(203.0);
        root.GetProperty("runs")[0].GetProperty("statuses").GetProperty("Canceled").GetInt32().ShouldBe(4);
        root.GetProperty("tpot").EnumerateArray().Select(one => one.GetProperty("mean").GetDouble())
            .ShouldBe([(383.1 - 202.7) / 9, (583.46 - 202.7) / 19], 0.001);
        root.GetProperty("notes").GetArrayLength().ShouldBeGreaterThan(3);
    }

    [Theory]
    [InlineData("untagged.json --stream-call-count 1", "TTFT")]
    [InlineData("uncounted.json", "without count-errors ghz's own percentiles are empty: these are from its details")]
    [InlineData("uncounted.json", "202.6 ms")]
    [InlineData("rate.json", "coordinated omission")]
    [InlineData("capped.json", "4 of 6 calls are in the details (ghz lists at most 1,000,000)")]
    [InlineData("closed.json", "1 of 5 calls failed (OK 4, Unavailable 1)")]
    [InlineData("closed.json", "1 of them were closed by ghz at the end of the run")]
    [InlineData("ttft.json eight.json", "ttft and eight differ in concurrency: means of different loads do not subtract.")]
    public async Task Run_WithALimit_SaysSo(string line, string note) => (await ReportRun.OfAsync(line)).Output.ShouldContain(note);

    [Fact]
    public async Task RunsOfDifferentLoads_GiveNoTpot() =>
        (await JsonOfAsync("ttft.json eight.json --json")).GetProperty("tpot").GetArrayLength().ShouldBe(0);

    [Fact]
    public async Task Tokens_OfDataWithoutALimit_AreTakenFromTheCommandLine()
    {
        var (first, full) = (WithoutLimit("ttft.json"), WithoutLimit("full.json"));

        (await JsonOfAsync($"{first} {full} --json --tokens 20")).GetProperty("tpot")[0].GetProperty("mean").GetDouble().ShouldBe(20.04, 0.001);
        (await ReportRun.OfAsync($"{first} {full}")).Output.ShouldContain("how many tokens a stream had is not known");
    }

    [Fact]
    public async Task RunInWhichEveryCallFailed_Fails_ThoughGhzDoesNot()
    {
        var run = await ReportRun.OfAsync("failed.json");

        run.ExitCode.ShouldBe(ExitCodes.Failed);
        run.Output.ShouldContain("no call was measured. ghz ends with exit code 0 all the same.");
        run.Output.ShouldContain("4 of 4 calls failed (Unavailable 4)");
    }

    [Theory]
    [InlineData("untagged.json", "ghz does not write at which message")]
    [InlineData("full.json elsewhere.json", "are of different targets: host '127.0.0.1:50051' and '10.0.0.1:50051'")]
    [InlineData("README.md", "is no JSON, or was cut off")]
    [InlineData("/no/such/file.json", "cannot be read")]
    [InlineData("full.json --output x.html", "--output takes one result file of grpcllm bench")]
    public async Task Files_ThatCannotBeReportedOn_AreWrongUsage(string line, string reason) =>
        (await Should.ThrowAsync<UsageException>(() => ReportRun.OfAsync(line))).Message.ShouldContain(reason);

    [Theory]
    [InlineData("{}", "is no report")]
    [InlineData("[1]", "is no report")]
    [InlineData("", "is no JSON")]
    [InlineData("""{"count": "x", "total": 1, "statusCodeDistribution": {}}""", "is no report of ghz")]
    [InlineData("""{"count": 1, "total": 1, "statusCodeDistribution": {"OK": 1}, "tags": {"stream-call-count": "first"}}""", "is 'first'")]
    public async Task File_OfSomethingElse_IsWrongUsage(string text, string reason)
    {
        var file = Path.Combine(_directory, "file.json");
        await File.WriteAllTextAsync(file, text, TestContext.Current.CancellationToken);

        (await Should.ThrowAsync<UsageException>(() => ReportRun.OfAsync(file))).Message.ShouldContain(reason);
    }

    [Fact]
    public async Task Report_CutOff_IsWrongUsageThatSaysSo()
    {
        var text = await File.ReadAllTextAsync(ReportRun.FileOf("full.json"), TestContext.Current.CancellationToken);
        var file = Path.Combine(_directory, "half.json");
        await File.WriteAllTextAsync(file, text[..(text.Length / 2)], TestContext.Current.CancellationToken);

        (await Should.ThrowAsync<UsageException>(() => ReportRun.OfAsync(file))).Message.ShouldContain("was cut off");
    }

    [Fact]
    public async Task OwnResultFile_IsHandedOn_AndNeverMixedWithGhz()
    {
        var file = Path.Combine(_directory, "own.json");
        await File.WriteAllTextAsync(file, """{"schema": "grpcllm.bench/1", "runs": []}""", TestContext.Current.CancellationToken);
        List<(string Path, string? Output, bool IsJson)> asked = [];

        var run = await ReportRun.OfAsync($"{file} --output r.html --json", (path, output, common, _) =>
        {
            asked.Add((path, output, common.IsJson));
            return Task.FromResult(ExitCodes.Unavailable);
        });

        run.ExitCode.ShouldBe(ExitCodes.Unavailable);
        asked.ShouldBe([(file, "r.html", true)]);
        (await Should.ThrowAsync<UsageException>(() => ReportRun.OfAsync($"{file} full.json"))).Message.ShouldContain("report on them one by one");
    }

    private static string[] Cells(string line) => line.Trim().Split("  ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static async Task<JsonElement> JsonOfAsync(string line)
    {
        var run = await ReportRun.OfAsync(line);
        run.ExitCode.ShouldBe(ExitCodes.Well);
        using var document = JsonDocument.Parse(run.Output);
        return document.RootElement.Clone();
    }

    private string WithoutLimit(string name)
    {
        var file = Path.Combine(_directory, name);
        File.WriteAllText(file, File.ReadAllText(ReportRun.FileOf(name)).Replace("maxOutputTokens", "minOutputTokens", StringComparison.Ordinal));
        return file;
    }
}
