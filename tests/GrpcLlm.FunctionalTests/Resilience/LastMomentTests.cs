using System.Runtime.CompilerServices;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>Two things that happen at the very same time.</summary>
public sealed class LastMomentTests
{
    [Fact]
    public async Task FirstToken_AtTheMomentOfTheTotalTimeout_IsATimeoutAndNoFault()
    {
        // It brings its first token because it is told to stop, so the two always meet.
        var backend = new ScriptedBackend(static (_, token) => PlayAsync(token));
        await using var server = await LlmServer.StartAsync(backend, "GrpcLlm:Resilience:TotalTimeout=00:00:01");

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Reason.ShouldBe("FIRST_TOKEN_TIMEOUT");
        answer.Chunks.ShouldBeEmpty();
        answer.Summary.AttemptLog.ShouldHaveSingleItem().Outcome.ShouldBe(AttemptOutcome.Cancelled);
        await (await backend.NextRunAsync()).Ended.WaitAsync(TestContext.Current.CancellationToken);
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task TotalTimeout_ThatPassesBeforeTheFirstAttempt_IsKept()
    {
        // So short that it passes at any place on the way to the first attempt.
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Silent(), "GrpcLlm:Resilience:TotalTimeout=00:00:00.001");

        await Parallel.ForEachAsync(Enumerable.Range(0, 1_500), TestContext.Current.CancellationToken, async (_, _) =>
        {
            var deadline = TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(10);
            var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" }, deadline);

            answer.Trailer("finish-reason").ShouldBe("error");
            answer.Reason.ShouldBe("FIRST_TOKEN_TIMEOUT");
        });
    }

    // The parser's buffer is 1024 bytes at first: these ends leave it 2, 1 and 0 bytes of room, and so after it grew.
    [Theory]
    [InlineData(1022)]
    [InlineData(1023)]
    [InlineData(1024)]
    [InlineData(2047)]
    [InlineData(4095)]
    public async Task UnfinishedLine_ThatFillsTheParsersBuffer_IsABrokenAnswerAndNoFault(int bytes)
    {
        await using var upstream = TestUpstream.Of("data: " + new string('x', bytes - 6));
        await using var server = await Upstreams.OpenAiSetup.StartAsync(upstream);

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Reason.ShouldBe("UPSTREAM_UNAVAILABLE");
        server.Logs.Errors.ShouldBeEmpty();
    }

    private static async IAsyncEnumerable<BackendEvent> PlayAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var told = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (cancellationToken.Register(told.SetResult)) await told.Task;
        yield return BackendEvent.TextDelta("late");
        cancellationToken.ThrowIfCancellationRequested();
    }
}
