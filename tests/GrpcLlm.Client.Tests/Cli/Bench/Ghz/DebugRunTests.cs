using GrpcLlm.Cli;
using GrpcLlm.Cli.Bench.Ghz;

namespace GrpcLlm.Client.Tests.Cli.Bench.Ghz;

public sealed class DebugRunTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("grpcllm-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task WholeLog_GivesTtftAndGapsOfEveryCall()
    {
        var run = await ReadAsync("trace.jsonl");

        run.Refusal.ShouldBeNull();
        run.Calls.ShouldBe(2);
        (run.Ttft!.Count, run.Ttft.Mean, run.Ttft.Percentile(50), run.Ttft.Percentile(99)).ShouldBe((2, 205, 200, 210));
        (run.Gaps!.Count, run.Gaps.Percentile(1), run.Gaps.Percentile(100)).ShouldBe((8, 20, 20));
        (run.Tpot!.Count, run.Tpot.Mean).ShouldBe((2, 20));
        run.TokensAreCounted.ShouldBeTrue();
    }

    [Fact]
    public async Task MergedChunks_AreDividedByTheirTokens_AndAFinishIsNone()
    {
        var run = await ReadAsync("merged.jsonl");

        run.Ttft!.Mean.ShouldBe(200);
        run.Tpot!.Mean.ShouldBe(20);
    }

    [Fact]
    public async Task LogWithoutPayloads_CountsAMessageAsAToken()
    {
        var run = await ReadAsync("no-payload.jsonl");

        (run.Calls, run.Refusal, run.TokensAreCounted, run.Tpot!.Mean).ShouldBe((1, null, false, 20));
    }

    [Fact]
    public async Task CallCutAtItsFirstMessage_GivesTtftAlone()
    {
        var run = await ReadAsync("cut.jsonl");

        (run.Calls, run.Ttft!.Mean, run.Gaps, run.Tpot).ShouldBe((1, 200, null, null));
        run.Failures.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("hole.jsonl", "sequence numbers have holes", 2)]
    [InlineData("no-end.jsonl", "overlap, or the end of one is missing", 0)]
    [InlineData("fast.jsonl", "100 lines of one kind within a second", 1)]
    public async Task LogThatIsNotWhole_GivesNoGaps_AndSaysWhy(string name, string reason, int calls)
    {
        var run = await ReadAsync(name);

        run.Refusal.ShouldNotBeNull().ShouldContain(reason);
        (run.Gaps, run.Tpot).ShouldBe((null, null));

        // The first messages that show that they are the first still tell.
        run.Calls.ShouldBe(calls);
        (await ReportRun.OfAsync(calls > 0 ? name : $"{name} trace.jsonl")).Output.ShouldContain($"{name}: no gaps, since ");
    }

    [Fact]
    public async Task FailedCall_IsCountedApart()
    {
        var run = await ReadAsync("failures.jsonl");

        run.Calls.ShouldBe(1);
        run.Failures.ShouldHaveSingleItem().ShouldBe(new("rpc error: code = Unavailable desc = queue full", 1));
        (await ReportRun.OfAsync("failures.jsonl")).Output.ShouldContain("1 calls failed: rpc error: code = Unavailable");
    }

    [Fact]
    public async Task CommandLine_ShowsLogsInTheTable()
    {
        var run = await ReportRun.OfAsync("trace.jsonl");

        run.ExitCode.ShouldBe(ExitCodes.Well);
        run.Output.ShouldContain("205.0 ms");
        run.Output.ShouldContain("times at which ghz wrote its lines");
    }

    [Fact]
    public async Task LogCutOff_IsWrongUsageThatNamesTheLine()
    {
        var text = await File.ReadAllTextAsync(ReportRun.FileOf("trace.jsonl"), TestContext.Current.CancellationToken);
        var file = Path.Combine(_directory, "half.jsonl");
        await File.WriteAllTextAsync(file, text[..^40], TestContext.Current.CancellationToken);

        (await Should.ThrowAsync<UsageException>(() => DebugRun.ReadAsync(file, TestContext.Current.CancellationToken))).Message
            .ShouldContain($"'{file}', line {text.TrimEnd().Split('\n').Length}: ");
    }

    private static Task<DebugRun> ReadAsync(string name) =>
        DebugRun.ReadAsync(ReportRun.FileOf(name), TestContext.Current.CancellationToken);
}
