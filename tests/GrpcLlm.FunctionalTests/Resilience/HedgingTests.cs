using GrpcLlm.FunctionalTests.Testing;
using static GrpcLlm.FunctionalTests.Resilience.RoutesSetup;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>A second attempt beside a slow one: the first token wins, the loser's socket closes at once.</summary>
public sealed class HedgingTests
{
    private const string HedgeSoon = "GrpcLlm:Resilience:HedgeAfter=00:00:00.3";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task SlowFirst_FastSecond_TheSecondServes_AndTheFirstIsClosed()
    {
        // The fast one waits until the slow one was reached: an attempt may be given up while it still connects.
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var slow = TestUpstream.Start(call =>
        {
            reached.SetResult();
            return call.SilenceAsync();
        });
        await using var fast = TestUpstream.Start(async call =>
        {
            await reached.Task;
            await ServeAsync(call, "from b");
        });
        await using var server = await StartAsync([slow, fast], HedgeSoon);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("from b");
        answer.Chunks[0].Started.Backend.ShouldBe("b");
        answer.Told().ShouldBe(["a Cancelled", "b Served hedged"]);
        await (await slow.NextCallAsync()).Closed.WaitAsync(Cancelled);
    }

    [Fact]
    public async Task FirstAnswersAfterTheHedgeBegan_TheFirstServes_AndTheHedgeIsClosed()
    {
        var hedged = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var first = TestUpstream.Start(async call =>
        {
            await hedged.Task;
            await ServeAsync(call, "from a");
        });
        await using var second = TestUpstream.Start(async call =>
        {
            hedged.SetResult();
            await call.SilenceAsync();
        });
        await using var server = await StartAsync([first, second], HedgeSoon);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("from a");
        answer.Told().ShouldBe(["a Served", "b Cancelled hedged"]);
        await (await second.NextCallAsync()).Closed.WaitAsync(Cancelled);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ServedStream_StillHearsTheClientCancel(bool hedgeServes)
    {
        await using var first = TestUpstream.Start(call => hedgeServes ? call.SilenceAsync() : PlayEndlessAsync(call));
        await using var second = TestUpstream.Start(PlayEndlessAsync);
        await using var server = await StartAsync([first, second], hedgeServes ? HedgeSoon : "GrpcLlm:Resilience:HedgeAfter=00:01:00");
        using var call = server.Client.Generate(Prompt, cancellationToken: Cancelled);

        // Some tokens, so that the pipeline has long returned.
        for (var n = 0; n < 3; n++) (await call.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        call.Dispose();

        await (await (hedgeServes ? second : first).NextCallAsync()).Closed.WaitAsync(Cancelled);
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task ClientCancels_WhileTwoAttemptsRun_BothSocketsClose()
    {
        await using var first = TestUpstream.Start(static call => call.SilenceAsync());
        await using var second = TestUpstream.Start(static call => call.SilenceAsync());
        await using var server = await StartAsync([first, second], HedgeSoon);
        using var call = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        var one = await first.NextCallAsync();
        var other = await second.NextCallAsync();

        call.Dispose();

        await one.Closed.WaitAsync(Cancelled);
        await other.Closed.WaitAsync(Cancelled);
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
        (await server.Logs.NextUsageAsync()).GetProperty("attempts").GetInt32().ShouldBe(2);
    }

    [Fact]
    public async Task HedgeFails_TheSlowFirstStillServes()
    {
        var refused = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var first = TestUpstream.Start(async call =>
        {
            await refused.Task;
            await ServeAsync(call, "from a");
        });
        await using var second = TestUpstream.Start(async call =>
        {
            await RefuseAsync(call, 500);
            refused.SetResult();
        });
        await using var server = await StartAsync([first, second], HedgeSoon, "GrpcLlm:Resilience:MaxAttempts=2");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("from a");
        var told = answer.Told().ToList();
        told[0].ShouldBe("a Served");

        // The refusal and the first token race to the server; whichever it reads first, the first route serves.
        told[1].ShouldBeOneOf("b Failed UpstreamUnavailable hedged", "b Cancelled hedged");
        told.Count.ShouldBe(2);
    }

    [Fact]
    public async Task OneRoute_IsHedgedBesideItself()
    {
        var requests = 0;
        await using var upstream = TestUpstream.Start(call =>
            Interlocked.Increment(ref requests) == 1 ? call.SilenceAsync() : ServeAsync(call, "second try"));
        await using var server = await StartAsync([upstream], HedgeSoon);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("second try");
        answer.Told().ShouldBe(["a Cancelled", "a Served hedged"]);
        await (await upstream.NextCallAsync()).Closed.WaitAsync(Cancelled);
    }

    [Fact]
    public async Task Hedges_CountAsAttempts()
    {
        await using var slow = TestUpstream.Start(static call => call.SilenceAsync());
        await using var server = await StartAsync([slow, slow, slow], HedgeSoon, "GrpcLlm:Resilience:MaxAttempts=2", "GrpcLlm:Resilience:TotalTimeout=00:00:04");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe("FIRST_TOKEN_TIMEOUT");
        answer.Told().ShouldBe(["a Cancelled", "b Cancelled hedged"]);
        await (await slow.NextCallAsync()).Closed.WaitAsync(Cancelled);
        await (await slow.NextCallAsync()).Closed.WaitAsync(Cancelled);
    }

    private static async Task PlayEndlessAsync(UpstreamCall call)
    {
        await call.HeadAsync();
        while (!call.Closed.IsCompleted)
        {
            await call.WriteAsync(Sse(Text("word ")));
            await Task.WhenAny(call.Closed, Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Cancelled));
        }
    }
}
