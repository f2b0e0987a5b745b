using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>Everything that goes wrong upstream, before and after the first token, is a typed error.</summary>
public sealed class OpenAiErrorsTests
{
    [Theory]
    [InlineData(400, "UPSTREAM_REJECTED", StatusCode.FailedPrecondition)]
    [InlineData(401, "UPSTREAM_MISCONFIGURED", StatusCode.Internal)]
    [InlineData(403, "UPSTREAM_MISCONFIGURED", StatusCode.Internal)]
    [InlineData(404, "UPSTREAM_MISCONFIGURED", StatusCode.Internal)]
    [InlineData(408, "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable)]
    [InlineData(413, "UPSTREAM_REJECTED", StatusCode.FailedPrecondition)]
    [InlineData(422, "UPSTREAM_REJECTED", StatusCode.FailedPrecondition)]
    [InlineData(429, "UPSTREAM_RATE_LIMITED", StatusCode.ResourceExhausted)]
    [InlineData(500, "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable)]
    [InlineData(502, "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable)]
    [InlineData(503, "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable)]
    [InlineData(529, "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable)]
    public async Task Status_OfARefusal_IsTypedAndTellsNoKey(int status, string reason, StatusCode expected)
    {
        await using var upstream = TestUpstream.Of(
            $$$"""{"error":{"message":"No good: {{{Key}}} was sent","type":"some_error"}}""", "application/json", status);
        await using var server = await StartAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe(reason);
        answer.Status.StatusCode.ShouldBe(expected);
        answer.Chunks.ShouldBeEmpty();
        if (reason != "UPSTREAM_MISCONFIGURED") answer.Status.Detail.ShouldContain("No good:");
        answer.Status.Detail.ShouldNotContain(Key);
        server.Logs.Lines.ShouldAllBe(line => !line.Contains(Key));
    }

    [Theory]
    [InlineData("7", 7)]
    [InlineData("Wed, 21 Oct 2026 07:28:30 GMT", 30)]
    public async Task RetryAfter_IsCarriedOver(string value, int seconds)
    {
        await using var upstream = TestUpstream.Of(
            """{"error":{"message":"slow down"}}""", "application/json", 429,
            ("Retry-After", value), ("Date", "Wed, 21 Oct 2026 07:28:00 GMT"));
        await using var server = await StartAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Detail<RetryInfo>().RetryDelay.Seconds.ShouldBe(seconds);
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe($"{seconds * 1000}");
    }

    [Fact]
    public async Task PromptThatDoesNotFit_IsContextTooLong()
    {
        await using var upstream = TestUpstream.Of(
            """{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}""",
            "application/json", 400);
        await using var server = await StartAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Reason.ShouldBe("CONTEXT_TOO_LONG");
    }

    [Fact]
    public async Task Azure_BlockedPrompt_IsAContentFilterWithoutToken()
    {
        await using var upstream = TestUpstream.Of(
            """{"error":{"message":"The response was filtered","code":"content_filter","status":400,"innererror":{"content_filter_result":{"violence":{"filtered":true},"hate":{"filtered":false}}}}}""",
            "application/json", 400);
        await using var server = await StartAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Status.StatusCode.ShouldBe(StatusCode.OK);
        var chunk = answer.Chunks.ShouldHaveSingleItem();
        chunk.TokenCount.ShouldBe(0u);
        chunk.Finish.Reason.ShouldBe(FinishReason.ContentFilter);
        chunk.Finish.ContentFilter.Stage.ShouldBe(FilterStage.Input);
        chunk.Finish.ContentFilter.Categories.ShouldBe(["violence"]);
    }

    // Bodies with status 200 that are no answer: content type, body, reason.
    [Theory]
    [InlineData("text/event-stream", "", "UPSTREAM_UNAVAILABLE")]
    [InlineData("application/json", "", "UPSTREAM_UNAVAILABLE")]
    [InlineData("text/event-stream", "data: [DONE]\n\n", "UPSTREAM_UNAVAILABLE")]
    [InlineData("text/html", "<html>Bad gateway</html>", "UPSTREAM_UNAVAILABLE")]
    [InlineData("text/event-stream", "<html>Bad gateway</html>", "UPSTREAM_UNAVAILABLE")]
    [InlineData("text/event-stream", "data: {\"choices\":\n\n", "UPSTREAM_UNAVAILABLE")]
    [InlineData("application/json", """{"error":{"message":"m","code":429}}""", "UPSTREAM_RATE_LIMITED")]
    [InlineData("application/json", """{"error":{"message":"m","type":"invalid_request_error"}}""", "UPSTREAM_REJECTED")]
    [InlineData("text/event-stream", "data: {\"error\":{\"message\":\"m\",\"code\":503}}\n\n", "UPSTREAM_UNAVAILABLE")]
    [InlineData("text/event-stream", "data: {\"error\":{\"message\":\"m\",\"code\":401}}\n\n", "UPSTREAM_MISCONFIGURED")]
    [InlineData("text/event-stream", "event: error\ndata: {\"message\":\"m\",\"code\":\"context_length_exceeded\"}\n\n", "CONTEXT_TOO_LONG")]
    public async Task SuccessThatIsNone_IsTyped(string contentType, string body, string reason)
    {
        await using var upstream = TestUpstream.Of(body, contentType);
        await using var server = await StartAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe(reason);
        answer.Chunks.ShouldBeEmpty();
    }

    // What comes behind the first token, and the reason it ends with.
    [Theory]
    [InlineData("data: {\"error\":{\"message\":\"overloaded\",\"code\":503}}\n\n", "UPSTREAM_FAILED")]
    [InlineData("data: {\"error\":{\"message\":\"slow\",\"code\":429}}\n\n", "UPSTREAM_FAILED")]
    [InlineData("data: {broken\n\n", "UPSTREAM_MALFORMED")]
    [InlineData("data: 17\n\n", "UPSTREAM_MALFORMED")]
    [InlineData("", "UPSTREAM_TRUNCATED")]
    [InlineData("data: {\"choices\":[{\"del", "UPSTREAM_TRUNCATED")]
    [InlineData("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n", "UPSTREAM_MALFORMED")]
    public async Task FailureAfterTheFirstToken_IsAbortedAndKeepsWhatCame(string rest, string reason)
    {
        await using var upstream = TestUpstream.Of(Sse(Text("kept")) + rest);
        await using var server = await StartAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe(reason);
        answer.Status.StatusCode.ShouldBe(StatusCode.Aborted);
        answer.ErrorMetadata["retry_safe"].ShouldBe("false");
        answer.Text.ShouldBe("kept");
        answer.Chunks.ShouldAllBe(chunk => chunk.Finish == null);
    }

    [Fact]
    public async Task Reset_MidStream_IsTruncated()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Sse(Text("kept")));
            await call.WriteAsync("data: ");
            call.Reset();
        });
        await using var server = await StartAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBeOneOf("UPSTREAM_TRUNCATED", "UPSTREAM_UNAVAILABLE");
        (answer.Reason == "UPSTREAM_TRUNCATED").ShouldBe(answer.Text == "kept");
    }

    [Fact]
    public async Task Reset_BeforeAnything_IsUnavailable()
    {
        await using var upstream = TestUpstream.Start(call =>
        {
            call.Reset();
            return Task.CompletedTask;
        });
        await using var server = await StartAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Reason.ShouldBe("UPSTREAM_UNAVAILABLE");
    }

    [Fact]
    public async Task Reset_BehindTheFinishReason_TakesNothingAway()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Sse(Text("all"), Stop));
            await call.WriteAsync("data: {\"choi");
        });
        await using var server = await StartAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("all");
        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
    }

    [Fact]
    public async Task HalfAnEvent_BehindTheFinishReason_TakesNothingAway()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("all"), Stop) + "data: {\"choi");
        await using var server = await StartAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Finish.Reason.ShouldBe(FinishReason.Stop);
    }

    [Fact]
    public async Task CutStream_IsBilledByWhatWasReported()
    {
        await using var upstream = TestUpstream.Of(Sse(
            """{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":11,"completion_tokens":30}}"""));
        await using var server = await StartAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe("UPSTREAM_TRUNCATED");
        answer.Summary.Usage.InputTokens.ShouldBe(11u);
        answer.Summary.Usage.OutputTokens.ShouldBe(30u);
        answer.Summary.Usage.Source.ShouldBe(UsageSource.Reported);
    }
}
