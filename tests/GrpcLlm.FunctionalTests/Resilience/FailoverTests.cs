using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using static GrpcLlm.FunctionalTests.Resilience.RoutesSetup;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>The next route takes over as long as no token came, and never afterwards.</summary>
public sealed class FailoverTests
{
    // What the first route does before a token, and what its attempt is told as.
    public static TheoryData<string, string> Troubles => new()
    {
        { "HTTP 500", "UpstreamUnavailable" },
        { "HTTP 503", "UpstreamUnavailable" },
        { "HTTP 429", "UpstreamRateLimited" },
        { "HTTP 401", "UpstreamMisconfigured" },
        { "HTTP 404", "UpstreamMisconfigured" },
        { "too long", "ContextTooLong" },
        { "reset", "UpstreamUnavailable" },
        { "reset behind the headers", "UpstreamUnavailable" },
        { "empty", "UpstreamUnavailable" },
        { "HTML", "UpstreamUnavailable" },
        { "malformed", "UpstreamUnavailable" },
        { "error event", "UpstreamUnavailable" },
        { "silence", "FirstTokenTimeout" },
    };

    [Theory]
    [MemberData(nameof(Troubles))]
    public async Task TroubleBeforeTheFirstToken_NextRouteServes(string trouble, string reason)
    {
        await using var first = TestUpstream.Start(call => FailAsync(call, trouble));
        await using var second = Serving("from b");
        await using var server = await StartAsync([first, second], "GrpcLlm:Backends:a:FirstTokenTimeout=00:00:00.3");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("from b");
        answer.Chunks[0].Started.Backend.ShouldBe("b");
        answer.Finish.Attempts.ShouldBe(2u);
        answer.Told().ShouldBe([$"a Failed {reason}", "b Served"]);
    }

    [Fact]
    public async Task RefusedConnection_NextRouteServes()
    {
        Uri nobody;
        await using (var gone = Serving("")) nobody = gone.Address;
        await using var second = Serving("from b");
        await using var server = await StartAsync([nobody, second.Address]);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("from b");
        answer.Told().ShouldBe(["a Failed UpstreamUnavailable", "b Served"]);
    }

    [Fact]
    public async Task RequestAtFault_IsFinal_AndTheNextRouteIsNotAsked()
    {
        await using var first = Refusing(400);
        await using var second = Serving("from b");
        await using var server = await StartAsync([first, second]);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe("UPSTREAM_REJECTED");
        answer.Told().ShouldBe(["a Failed UpstreamRejected"]);
        second.Connections.ShouldBe(0);
    }

    [Fact]
    public async Task UnknownModelThere_IsNotAskedAgain()
    {
        await using var first = Refusing(404);
        await using var second = Refusing(500);
        await using var server = await StartAsync([first, second], "GrpcLlm:Resilience:MaxAttempts=4");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Told().ShouldBe(
            ["a Failed UpstreamMisconfigured", "b Failed UpstreamUnavailable", "b Failed UpstreamUnavailable", "b Failed UpstreamUnavailable"]);
        answer.Reason.ShouldBe("UPSTREAM_UNAVAILABLE");
    }

    // What comes behind the first token, with hedges and routes at hand.
    [Theory]
    [InlineData("reset", "UPSTREAM_TRUNCATED")]
    [InlineData("silence", "UPSTREAM_STALLED")]
    [InlineData("error event", "UPSTREAM_FAILED")]
    [InlineData("malformed", "UPSTREAM_MALFORMED")]
    public async Task TroubleAfterTheFirstToken_IsAborted_AndNobodyElseIsAsked(string trouble, string reason)
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var requests = 0;
        await using var first = TestUpstream.Start(async call =>
        {
            Interlocked.Increment(ref requests);
            await call.HeadAsync();
            await call.WriteAsync(Sse(Text("kept")));
            await seen.Task;
            await FailAsync(call, trouble, isOpen: true);
        });
        await using var second = Serving("from b");
        await using var server = await StartAsync(
            [first, second], "GrpcLlm:Backends:a:IdleTimeout=00:00:00.3", "GrpcLlm:Resilience:HedgeAfter=00:00:01");

        using var call = server.Client.Generate(Prompt, cancellationToken: TestContext.Current.CancellationToken);
        (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken)).ShouldBeTrue();
        call.ResponseStream.Current.Text.ShouldBe("kept");
        seen.SetResult();
        var answer = await Answer.OfAsync(call);

        answer.Status.StatusCode.ShouldBe(StatusCode.Aborted);
        answer.Reason.ShouldBe(reason);
        answer.Text.ShouldBe("");
        answer.ErrorMetadata["last_sequence"].ShouldBe("1");
        answer.ErrorMetadata["retry_safe"].ShouldBe("false");
        answer.Told().ShouldBe(["a Served"]);
        requests.ShouldBe(1);
        second.Connections.ShouldBe(0);
    }

    [Fact]
    public async Task WeightedRoutes_ShareTheCallsByTheirWeights()
    {
        const int calls = 400;
        await using var first = Serving("a");
        await using var second = Serving("b");
        await using var server = await StartAsync(
            [first, second], "GrpcLlm:Models:m:Routes:0:Weight=3", "GrpcLlm:Models:m:Routes:1:Weight=1");

        var answers = new List<string>();
        for (var n = 0; n < calls; n++) answers.Add((await Answer.OfAsync(server, Prompt)).Text);

        // 300 are expected; the standard deviation is 8.7, so that chance alone leaves these bounds once in 10^8 runs.
        answers.Count(static text => text == "a").ShouldBeInRange(250, 350);
    }

    /// <summary>Fails in one way, from whatever has been sent so far.</summary>
    private static async Task FailAsync(UpstreamCall call, string trouble, bool isOpen = false)
    {
        switch (trouble)
        {
            case "reset":
                call.Reset();
                return;
            case "silence":
                await call.SilenceAsync();
                return;
            case "error event":
                await WriteBodyAsync(call, isOpen, "data: {\"error\":{\"message\":\"no\",\"code\":503}}\n\n");
                break;
            case "malformed":
                await WriteBodyAsync(call, isOpen, "data: {\"choices\":\n\n");
                break;
            case "empty":
                await WriteBodyAsync(call, isOpen, "");
                break;
            case "HTML":
                await call.HeadAsync(200, "text/html");
                await call.WriteAsync("<html>Bad gateway</html>");
                break;
            case "reset behind the headers":
                await call.HeadAsync();
                call.Reset();
                return;
            case "too long":
                await call.HeadAsync(400, "application/json");
                await call.WriteAsync("""{"error":{"message":"maximum context length is 10 tokens","code":"context_length_exceeded"}}""");
                break;
            default:
                await RefuseAsync(call, int.Parse(trouble.AsSpan(5)));
                return;
        }

        await call.EndAsync();
    }

    private static async Task WriteBodyAsync(UpstreamCall call, bool isOpen, string body)
    {
        if (!isOpen) await call.HeadAsync();
        await call.WriteAsync(body);
    }
}
