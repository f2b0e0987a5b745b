using System.Globalization;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Upstreams.AnthropicScript;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>The messages API when it fails, before the first token and after it.</summary>
public sealed class AnthropicTroubleTests
{
    private const string Tokens = "some text";

    private static readonly GenerateRequest Prompt = new() { Prompt = "p" };

    private static readonly string Begun = Start + Block(0, """{"type":"text","text":""}""") + Text(0, Tokens);

    [Theory]
    [InlineData(400, "invalid_request_error", "UPSTREAM_REJECTED", StatusCode.FailedPrecondition)]
    [InlineData(401, "authentication_error", "UPSTREAM_MISCONFIGURED", StatusCode.Internal)]
    [InlineData(402, "billing_error", "UPSTREAM_REJECTED", StatusCode.FailedPrecondition)]
    [InlineData(403, "permission_error", "UPSTREAM_MISCONFIGURED", StatusCode.Internal)]
    [InlineData(404, "not_found_error", "UPSTREAM_MISCONFIGURED", StatusCode.Internal)]
    [InlineData(408, "timeout", "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable)]
    [InlineData(413, "request_too_large", "UPSTREAM_REJECTED", StatusCode.FailedPrecondition)]
    [InlineData(422, "unprocessable", "UPSTREAM_REJECTED", StatusCode.FailedPrecondition)]
    [InlineData(429, "rate_limit_error", "UPSTREAM_RATE_LIMITED", StatusCode.ResourceExhausted)]
    [InlineData(500, "api_error", "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable)]
    [InlineData(502, "api_error", "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable)]
    [InlineData(503, "api_error", "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable)]
    [InlineData(529, "overloaded_error", "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable)]
    public async Task Status_BeforeTheStream_IsTyped(int status, string type, string reason, StatusCode code)
    {
        var body = $$$"""{"type":"error","error":{"type":"{{{type}}}","message":"Not with key {{{Key}}}."}}""";
        await using var upstream = TestUpstream.Of(body, "application/json", status);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Chunks.ShouldBeEmpty();
        answer.Status.StatusCode.ShouldBe(code);
        answer.Reason.ShouldBe(reason);
        answer.Status.Detail.ShouldNotContain(Key);
        server.Logs.Lines.ShouldNotContain(static line => line.Contains(Key, StringComparison.Ordinal));
    }

    [Fact]
    public async Task PromptTooLong_IsContextTooLong()
    {
        await using var upstream = TestUpstream.Of(
            """{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 212000 tokens > 200000 maximum"}}""",
            "application/json", 400);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe("CONTEXT_TOO_LONG");
        answer.Status.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        answer.Status.Detail.ShouldContain("212000");
    }

    [Fact]
    public async Task RetryAfter_InSeconds_IsCarriedOver()
    {
        await using var upstream = TestUpstream.Of("{}", "application/json", 429, ("Retry-After", "7"));
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Detail<RetryInfo>().RetryDelay.Seconds.ShouldBe(7);
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe("7000");
    }

    [Fact]
    public async Task RetryAfter_AsDate_IsCarriedOver()
    {
        var now = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        await using var upstream = TestUpstream.Of(
            "{}", "application/json", 503, ("Date", now.ToString("R", CultureInfo.InvariantCulture)),
            ("Retry-After", now.AddSeconds(9).ToString("R", CultureInfo.InvariantCulture)));
        await using var server = await ServeAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Trailer("grpc-retry-pushback-ms").ShouldBe("9000");
    }

    [Theory]
    [InlineData("overloaded_error", "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable)]
    [InlineData("api_error", "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable)]
    [InlineData("rate_limit_error", "UPSTREAM_RATE_LIMITED", StatusCode.ResourceExhausted)]
    [InlineData("invalid_request_error", "UPSTREAM_REJECTED", StatusCode.FailedPrecondition)]
    [InlineData("authentication_error", "UPSTREAM_MISCONFIGURED", StatusCode.Internal)]
    public async Task ErrorEvent_BeforeTheFirstToken_CountsAsItsStatus(string type, string reason, StatusCode code)
    {
        await using var upstream = TestUpstream.Of(Start + Ping + Error(type, "No."));
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe(reason);
        answer.Status.StatusCode.ShouldBe(code);
    }

    [Theory]
    [InlineData("overloaded_error")]
    [InlineData("rate_limit_error")]
    [InlineData("invalid_request_error")]
    [InlineData("surprise_error")]
    public async Task ErrorEvent_AfterTheFirstToken_IsUpstreamFailedAndTheInputIsBilled(string type)
    {
        await using var upstream = TestUpstream.Of(Begun + Error(type, $"Overloaded {Key}"));
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe(Tokens);
        answer.Status.StatusCode.ShouldBe(StatusCode.Aborted);
        answer.Reason.ShouldBe("UPSTREAM_FAILED");
        answer.Status.Detail.ShouldContain("Overloaded");
        answer.Status.Detail.ShouldNotContain(Key);
        answer.ErrorMetadata["streamed_tokens"].ShouldBe("1");
        answer.Summary.Usage.InputTokens.ShouldBe(17u);
        answer.Summary.Usage.InputSource.ShouldBe(UsageSource.Reported);
        answer.Summary.Usage.OutputTokens.ShouldBe(1u);
    }

    // A body with status 200 that holds no answer; its media type.
    public static TheoryData<string, string> NoAnswers => new()
    {
        { "", "text/event-stream" },
        { "", "application/json" },
        { "<html><body>Bad gateway</body></html>", "text/html" },
        { """{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}""", "application/json" },
        { """{"error":{"message":"Overloaded"}}""", "application/json" },
        { "{\n  \"error\": {\n    \"message\": \"Overloaded\"\n  }\n}\n", "application/json" },
        { Start, "text/event-stream" },
        { Start + Ping + Ping, "text/event-stream" },
        { "data: nonsense\n\n", "text/event-stream" },
        { Start + Start, "text/event-stream" },
    };

    [Theory]
    [MemberData(nameof(NoAnswers))]
    public async Task NoAnswer_IsUnavailable(string body, string mediaType)
    {
        await using var upstream = TestUpstream.Of(body, mediaType);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Chunks.ShouldBeEmpty();
        answer.Reason.ShouldBe("UPSTREAM_UNAVAILABLE");
        answer.Status.StatusCode.ShouldBe(StatusCode.Unavailable);
        server.Logs.Errors.ShouldBeEmpty();
    }

    // What follows the first token, and the reason of the failure.
    public static TheoryData<string, string> BadEnds => new()
    {
        { "", "UPSTREAM_TRUNCATED" },
        { Stopped(0), "UPSTREAM_TRUNCATED" },
        { "data: {\"type\":\"content_bl", "UPSTREAM_TRUNCATED" },
        { "data: nonsense\n\n" + Ping, "UPSTREAM_MALFORMED" },
        { Start, "UPSTREAM_MALFORMED" },
        {
            Block(1, """{"type":"tool_use","id":"t","name":"go","input":{}}""") + Delta(1, "input_json_delta", "partial_json", "{\"a\"")
            + Stopped(1) + End("tool_use") + Stop, "UPSTREAM_MALFORMED"
        },
    };

    [Theory]
    [MemberData(nameof(BadEnds))]
    public async Task BadEnd_AfterTheFirstToken_IsAborted(string rest, string reason)
    {
        await using var upstream = TestUpstream.Of(Begun + rest);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe(Tokens);
        answer.Status.StatusCode.ShouldBe(StatusCode.Aborted);
        answer.Reason.ShouldBe(reason);
        answer.Chunks.ShouldAllBe(static chunk => chunk.Finish == null);
    }

    [Theory]
    [InlineData(false, "UPSTREAM_UNAVAILABLE")]
    [InlineData(true, "UPSTREAM_TRUNCATED")]
    public async Task Reset_IsTyped(bool afterToken, string reason)
    {
        var heard = new TaskCompletionSource();
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(afterToken ? Begun : Start);
            if (afterToken) await heard.Task;
            call.Reset();
        });
        await using var server = await ServeAsync(upstream);
        using var call = server.Client.Generate(Prompt, cancellationToken: TestContext.Current.CancellationToken);
        if (afterToken)
        {
            (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken)).ShouldBeTrue();
            heard.SetResult();
        }

        (await Answer.OfAsync(call)).Reason.ShouldBe(reason);
    }

    [Fact]
    public async Task PingsBeforeTheFirstToken_AreNoToken()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Start + Ping);
            await call.SilenceAsync();
        });
        await using var server = await ServeAsync(upstream, "GrpcLlm:Backends:up:FirstTokenTimeout=00:00:00.2");

        (await Answer.OfAsync(server, Prompt)).Reason.ShouldBe("FIRST_TOKEN_TIMEOUT");
    }

    [Fact]
    public async Task SilenceAfterTheFirstToken_IsStalled()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Begun);
            await call.SilenceAsync();
        });
        await using var server = await ServeAsync(upstream, "GrpcLlm:Backends:up:IdleTimeout=00:00:00.2");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe(Tokens);
        answer.Reason.ShouldBe("UPSTREAM_STALLED");
    }

    [Theory]
    [InlineData("max_tokens", FinishReason.Length)]
    [InlineData("model_context_window_exceeded", FinishReason.ContextLength)]
    [InlineData("refusal", FinishReason.ContentFilter)]
    [InlineData("pause_turn", FinishReason.Other)]
    [InlineData("nobody_told_of_it", FinishReason.Other)]
    public async Task StopReason_IsMappedWithTheRawWord(string word, FinishReason reason)
    {
        await using var upstream = TestUpstream.Of(Begun + Stopped(0) + End(word) + Stop);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Finish.Reason.ShouldBe(reason);
        answer.Summary.BackendFinishReason.ShouldBe(word);
    }

    [Theory]
    [InlineData(400, "application/json", "", 0u)]
    [InlineData(200, "text/event-stream", Tokens, 1u)]
    public async Task AnswerBlockedByTheFilter_IsContentFilter(int status, string mediaType, string text, uint tokens)
    {
        const string error =
            """{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}""";
        await using var upstream = TestUpstream.Of(status == 200 ? Begun + Event("error", error) : error, mediaType, status);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe(text);
        answer.Status.StatusCode.ShouldBe(StatusCode.OK);
        answer.Finish.Reason.ShouldBe(FinishReason.ContentFilter);
        answer.Finish.ContentFilter.Stage.ShouldBe(FilterStage.Output);
        answer.Finish.StreamedTokens.ShouldBe(tokens);
    }

    [Fact]
    public async Task RefusedPrompt_IsContentFilterWithoutToken()
    {
        await using var upstream = TestUpstream.Of(Start + End("refusal", 0) + Stop);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Chunks.ShouldHaveSingleItem().Started.ShouldNotBeNull();
        answer.Finish.Reason.ShouldBe(FinishReason.ContentFilter);
        answer.Finish.ContentFilter.Source.ShouldBe("anthropic");
        answer.Finish.StreamedTokens.ShouldBe(0u);
    }

    [Fact]
    public async Task ToolCallCutOff_IsNeverDone()
    {
        await using var upstream = TestUpstream.Of(
            Begun + Stopped(0) + Block(1, """{"type":"tool_use","id":"t","name":"go","input":{}}""")
            + Delta(1, "input_json_delta", "partial_json", "{\"a\":") + Stopped(1) + End("max_tokens") + Stop);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Finish.Reason.ShouldBe(FinishReason.Length);
        answer.Chunks.ShouldNotContain(static chunk => chunk.ToolCall != null && chunk.ToolCall.Done);
    }
}
