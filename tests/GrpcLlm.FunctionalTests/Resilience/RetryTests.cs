using Google.Rpc;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Resilience.RoutesSetup;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>Further rounds over the routes: how many, after what wait, and what is told when none brings a token.</summary>
public sealed class RetryTests
{
    [Fact]
    public async Task FailsTwice_ThenServes_AllAttemptsAreTold()
    {
        await using var upstream = FailingFirst(2, static call => RefuseAsync(call, 503));
        await using var server = await StartAsync([upstream]);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("at last");
        answer.Told().ShouldBe(["a Failed UpstreamUnavailable", "a Failed UpstreamUnavailable", "a Served"]);
        (await server.Logs.NextUsageAsync()).GetProperty("attempts").GetInt32().ShouldBe(3);
    }

    [Fact]
    public async Task MaxAttempts_HoldsOverRoutesKeysAndRounds()
    {
        await using var first = Refusing(500);

        // No rest: a key that still had one when the next round begins would be left out of it.
        await using var second = Refusing(429, ("retry-after-ms", "0"));
        await using var server = await StartAsync(
            [first, second], [.. Keys("b", "sk-b-1", "sk-b-2"), "GrpcLlm:Resilience:MaxAttempts=5"]);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Summary.Attempts.ShouldBe(5u);
        answer.Summary.AttemptLog.Select(static attempt => attempt.Backend + attempt.KeyLabel).ShouldBe(["a", "bkey1", "bkey2", "a", "bkey1"]);
    }

    [Fact]
    public async Task RetryAfter_WithinMaxDelay_IsWaitedFor()
    {
        await using var upstream = FailingFirst(1, static call => RefuseAsync(call, 429, ("retry-after-ms", "300")));
        await using var server = await StartAsync([upstream]);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("at last");
        var log = answer.Summary.AttemptLog;
        (log[1].StartUs - (log[0].StartUs + log[0].DurationUs)).ShouldBeGreaterThanOrEqualTo(299_000u);
    }

    [Fact]
    public async Task RetryAfter_BeyondMaxDelay_IsToldAtOnce()
    {
        await using var upstream = Refusing(429, ("Retry-After", "40"));
        await using var server = await StartAsync([upstream], "GrpcLlm:Resilience:MaxDelay=00:00:30");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe("UPSTREAM_RATE_LIMITED");
        answer.Told().ShouldBe(["a Failed UpstreamRateLimited"]);
        answer.Detail<RetryInfo>().RetryDelay.Seconds.ShouldBe(40);
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe("40000");
    }

    [Fact]
    public async Task TotalTimeout_EndsWhateverStillRuns()
    {
        await using var upstream = TestUpstream.Start(static call => call.SilenceAsync());
        await using var server = await StartAsync([upstream], "GrpcLlm:Resilience:TotalTimeout=00:00:00.4");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe("FIRST_TOKEN_TIMEOUT");
        answer.Told().ShouldBe(["a Cancelled"]);
        await (await upstream.NextCallAsync()).Closed.WaitAsync(TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData(429, 500, "UPSTREAM_UNAVAILABLE")]
    [InlineData(500, 429, "UPSTREAM_UNAVAILABLE")]
    [InlineData(500, 404, "UPSTREAM_MISCONFIGURED")]
    [InlineData(429, 429, "UPSTREAM_RATE_LIMITED")]
    public async Task DifferentFailures_TheLastOneIsTheCalls_UnlessItIsARateLimit(int first, int second, string reason)
    {
        await using var one = Refusing(first);
        await using var other = Refusing(second);
        await using var server = await StartAsync([one, other], "GrpcLlm:Resilience:MaxAttempts=2");

        (await Answer.OfAsync(server, Prompt)).Reason.ShouldBe(reason);
    }

    [Fact]
    public async Task Progress_TellsOfTheRetryAndItsAttempt()
    {
        await using var upstream = FailingFirst(1, static call => RefuseAsync(call, 429, ("retry-after-ms", "500")));
        await using var server = await StartAsync([upstream]);

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p", Output = new OutputOptions { Progress = true } });

        var told = answer.Chunks.Where(static chunk => chunk.Progress is not null)
            .Select(static chunk => $"{chunk.Progress.Phase} {chunk.Progress.Attempt}").ToList();
        told.ShouldContain("Retrying 1");
        answer.Text.ShouldBe("at last");
        answer.Finish.Attempts.ShouldBe(2u);
    }

    private static TestUpstream FailingFirst(int times, Func<UpstreamCall, Task> fail)
    {
        var requests = 0;
        return TestUpstream.Start(call => Interlocked.Increment(ref requests) <= times ? fail(call) : ServeAsync(call, "at last"));
    }
}
