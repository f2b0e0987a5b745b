using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Resilience.RoutesSetup;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>A backend that keeps failing is left alone for a while, then tried by one attempt.</summary>
public sealed class BreakerTests
{
    // The break is longer than any wait, so the caller is told instead.
    private static readonly string[] Soon =
    [
        "GrpcLlm:Resilience:MaxDelay=00:00:00.1",
        "GrpcLlm:Resilience:MaxAttempts=1", "GrpcLlm:Resilience:BreakerMinimumThroughput=3",
        "GrpcLlm:Resilience:BreakerFailureRatio=0.5", "GrpcLlm:Resilience:BreakerBreakDuration=00:00:02",
    ];

    [Fact]
    public async Task BackendThatFails_IsLeftAlone_ThenTriedOnce_ThenServesAgain()
    {
        var requests = 0;
        var isWell = 0;
        await using var upstream = TestUpstream.Start(call =>
        {
            // ListModels asks about the model too.
            if (call.Method == "POST") Interlocked.Increment(ref requests);
            return Volatile.Read(ref isWell) == 1 ? ServeAsync(call, "well again") : RefuseAsync(call, 500);
        });
        await using var server = await StartAsync([upstream], Soon);
        for (var n = 0; n < 3; n++) (await Answer.OfAsync(server, Prompt)).Reason.ShouldBe("UPSTREAM_UNAVAILABLE");
        Volatile.Write(ref isWell, 1);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Status.StatusCode.ShouldBe(StatusCode.Unavailable);
        answer.Reason.ShouldBe("UPSTREAM_UNAVAILABLE");
        answer.Summary.Attempts.ShouldBe(0u);
        answer.Detail<RetryInfo>().RetryDelay.ToTimeSpan().ShouldBeInRange(TimeSpan.FromTicks(1), TimeSpan.FromSeconds(2));
        requests.ShouldBe(3);
        (await StateAsync(server)).ShouldBe(ModelState.Unavailable);

        while ((answer = await Answer.OfAsync(server, Prompt)).Status.StatusCode != StatusCode.OK)
            answer.Reason.ShouldBe("UPSTREAM_UNAVAILABLE");
        answer.Text.ShouldBe("well again");
        requests.ShouldBe(4);
        (await StateAsync(server)).ShouldBe(ModelState.Available);
        server.Logs.Lines.Count(static line => line.Contains("BreakerOpened")).ShouldBe(1);
        server.Logs.Lines.Count(static line => line.Contains("BreakerClosed")).ShouldBe(1);
    }

    [Fact]
    public async Task OpenBreaker_ThatClosesWithinMaxDelay_IsWaitedFor()
    {
        var requests = 0;
        await using var upstream = TestUpstream.Start(call =>
            Interlocked.Increment(ref requests) > 3 ? ServeAsync(call, "well again") : RefuseAsync(call, 500));
        await using var server = await StartAsync([upstream], [.. Soon, "GrpcLlm:Resilience:MaxDelay=00:00:10"]);
        for (var n = 0; n < 3; n++) (await Answer.OfAsync(server, Prompt)).Reason.ShouldBe("UPSTREAM_UNAVAILABLE");

        (await Answer.OfAsync(server, Prompt)).Told().ShouldBe(["a Served"]);
    }

    [Fact]
    public async Task OpenBreaker_OfTheFirstRoute_TheSecondServesWithoutAnAttempt()
    {
        await using var broken = Refusing(500);
        await using var second = Serving("from b");
        await using var server = await StartAsync([broken, second], [.. Soon, "GrpcLlm:Resilience:MaxAttempts=2"]);
        for (var n = 0; n < 3; n++) (await Answer.OfAsync(server, Prompt)).Finish.Attempts.ShouldBe(2u);

        (await Answer.OfAsync(server, Prompt)).Told().ShouldBe(["b Served"]);
    }

    [Fact]
    public async Task FailuresAfterTheFirstToken_OpenItToo()
    {
        await using var upstream = TestUpstream.Start(static async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Sse(Text("cut")));
            await call.EndAsync();
        });
        await using var server = await StartAsync([upstream], Soon);

        var reasons = new List<string>();
        for (var n = 0; n < 4; n++) reasons.Add((await Answer.OfAsync(server, Prompt)).Reason);

        reasons[0].ShouldBe("UPSTREAM_TRUNCATED");
        reasons[^1].ShouldBe("UPSTREAM_UNAVAILABLE");
        server.Logs.Lines.Count(static line => line.Contains("BreakerOpened")).ShouldBe(1);
    }

    private static async Task<ModelState> StateAsync(LlmServer server) =>
        (await server.Client.ListModelsAsync(new ListModelsRequest(), cancellationToken: TestContext.Current.CancellationToken))
            .Models.Single(static model => model.Name == "m").State;
}
