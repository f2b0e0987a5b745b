using System.Globalization;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Upstreams.GeminiScript;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>The Gemini API when it fails, before the first token and after it.</summary>
public sealed class GeminiTroubleTests
{
    private const string Tokens = "some text";

    private static readonly GenerateRequest Prompt = new() { Prompt = "p" };

    private static readonly string Begun = Text(Tokens);

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
    public async Task Status_BeforeTheStream_IsTyped(int status, string reason, StatusCode code)
    {
        // Objects from most hosts of the API, lists of one from the stream's own.
        var error = $$$"""{"error":{"code":{{{status}}},"message":"Not with {{{Key}}}.","status":"X"}}""";
        var next = 0;
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync(status, "application/json; charset=UTF-8");
            await call.WriteAsync(next++ == 0 ? error : $"[{error}\n]\n");
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);

        for (var i = 0; i < 2; i++)
        {
            var answer = await Answer.OfAsync(server, Prompt);

            answer.Chunks.ShouldBeEmpty();
            answer.Status.StatusCode.ShouldBe(code);
            answer.Reason.ShouldBe(reason);
            if (reason != "UPSTREAM_MISCONFIGURED") answer.Status.Detail.ShouldContain("Not with");
            answer.Status.Detail.ShouldNotContain(Key);
        }

        server.Logs.Lines.ShouldNotContain(static line => line.Contains(Key, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("API key not valid. Please pass a valid API key.", "UPSTREAM_MISCONFIGURED")]
    [InlineData("The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).", "CONTEXT_TOO_LONG")]
    public async Task BadRequest_OfAnotherMeaning_IsToldApart(string message, string reason)
    {
        await using var upstream = TestUpstream.Of(
            $$$"""{"error":{"code":400,"message":"{{{message}}}","status":"INVALID_ARGUMENT"}}""", "application/json", 400);
        await using var server = await ServeAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Reason.ShouldBe(reason);
    }

    [Fact]
    public async Task RetryAfter_InSecondsOrAsDate_IsCarriedOver()
    {
        var now = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        var next = 0;
        await using var upstream = TestUpstream.Start(async call =>
        {
            if (next++ == 0) await call.HeadAsync(429, "application/json", ("Retry-After", "7"));
            else
            {
                await call.HeadAsync(
                    503, "application/json", ("Date", now.ToString("R", CultureInfo.InvariantCulture)),
                    ("Retry-After", now.AddSeconds(9).ToString("R", CultureInfo.InvariantCulture)));
            }

            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Detail<RetryInfo>().RetryDelay.Seconds.ShouldBe(7);

        // Another server: the first one gives the upstream the rest that it asked for.
        await using var other = await ServeAsync(upstream);
        (await Answer.OfAsync(other, Prompt)).Trailer("grpc-retry-pushback-ms").ShouldBe("9000");
    }

    [Fact]
    public async Task RetryInfo_InTheBody_IsCarriedOver()
    {
        await using var upstream = TestUpstream.Of(
            """[{"error":{"code":429,"message":"Quota","details":[{"@type":"type.googleapis.com/google.rpc.Help"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}]""",
            "application/json", 429);
        await using var server = await ServeAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Trailer("grpc-retry-pushback-ms").ShouldBe("34500");
    }

    // A body with status 200 that holds no answer, its media type.
    public static TheoryData<string, string> NoAnswers => new()
    {
        { "", "text/event-stream" },
        { "", "application/json" },
        { "<html><body>Bad gateway</body></html>", "text/html" },
        { """{"error":{"code":503,"message":"Overloaded"}}""", "application/json" },
        { "[{\n  \"error\": {\n    \"code\": 500,\n    \"message\": \"Internal\"\n  }\n}\n]", "application/json" },
        { Part(""), "text/event-stream" },
        { Part("""{"toolCall":{"name":"z"}}"""), "text/event-stream" },
        { "data: nonsense\n\n", "text/event-stream" },
        { Event("""{"error":{"code":503,"message":"The model is overloaded."}}"""), "text/event-stream" },
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
        { "data: {\"candidates\":[{\"con", "UPSTREAM_TRUNCATED" },
        { "data: nonsense\n\n" + Part(""), "UPSTREAM_MALFORMED" },
        { Event($$$"""{"error":{"code":503,"message":"Overloaded {{{Key}}}"}}"""), "UPSTREAM_FAILED" },
        { Event("""{"error":{"code":429,"message":"Slow down"}}"""), "UPSTREAM_FAILED" },
        {
            Part("""{"functionCall":{"name":"n","partialArgs":[{"jsonPath":"$.a","numberValue":1}],"willContinue":true}}""") + End(),
            "UPSTREAM_MALFORMED"
        },
    };

    [Theory]
    [MemberData(nameof(BadEnds))]
    public async Task BadEnd_AfterTheFirstToken_IsAbortedAndTheInputIsBilled(string rest, string reason)
    {
        await using var upstream = TestUpstream.Of(Begun + rest);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe(Tokens);
        answer.Status.StatusCode.ShouldBe(StatusCode.Aborted);
        answer.Reason.ShouldBe(reason);
        answer.Status.Detail.ShouldNotContain(Key);
        answer.Chunks.ShouldAllBe(static chunk => chunk.Finish == null);
        answer.Summary.Usage.InputTokens.ShouldBe(10u);
        answer.Summary.Usage.OutputTokens.ShouldBeGreaterThan(0u);
    }

    [Fact]
    public async Task ErrorEvent_BeforeTheFirstToken_CountsAsItsStatus()
    {
        await using var upstream = TestUpstream.Of(Part("") + Event("""{"error":{"code":429,"message":"Slow down"}}"""));
        await using var server = await ServeAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Reason.ShouldBe("UPSTREAM_RATE_LIMITED");
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
            await call.WriteAsync(afterToken ? Begun : Part(""));
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
    public async Task Silence_BehindTheFinishReason_TakesNothingAway()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Begun + End());
            await call.SilenceAsync();
        });
        await using var server = await ServeAsync(upstream, "GrpcLlm:Backends:up:IdleTimeout=00:00:00.2");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe(Tokens);
        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
        answer.Finish.Usage.OutputTokens.ShouldBe(25u);
    }

    [Theory]
    [InlineData(false, "FIRST_TOKEN_TIMEOUT")]
    [InlineData(true, "UPSTREAM_STALLED")]
    public async Task Silence_IsTyped(bool afterToken, string reason)
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(afterToken ? Begun : Part("""{"executableCode":{"code":"x"}}"""));
            await call.SilenceAsync();
        });
        await using var server = await ServeAsync(
            upstream, "GrpcLlm:Backends:up:FirstTokenTimeout=00:00:02", "GrpcLlm:Backends:up:IdleTimeout=00:00:00.2");

        (await Answer.OfAsync(server, Prompt)).Reason.ShouldBe(reason);
    }

    [Theory]
    [InlineData("MAX_TOKENS", FinishReason.Length)]
    [InlineData("SAFETY", FinishReason.ContentFilter)]
    [InlineData("MALFORMED_FUNCTION_CALL", FinishReason.Other)]
    [InlineData("NOBODY_TOLD_OF_IT", FinishReason.Other)]
    public async Task FinishReason_IsMappedWithTheRawWord(string word, FinishReason reason)
    {
        await using var upstream = TestUpstream.Of(Begun + End(word));
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Finish.Reason.ShouldBe(reason);
        answer.Summary.BackendFinishReason.ShouldBe(word);
    }

    [Fact]
    public async Task BlockedPrompt_IsContentFilterWithoutToken()
    {
        await using var upstream = TestUpstream.Of(Event(
            """{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9},"modelVersion":"gemini-x-001"}"""));
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Chunks.ShouldHaveSingleItem().Started.BackendModel.ShouldBe("gemini-x-001");
        answer.Finish.Reason.ShouldBe(FinishReason.ContentFilter);
        answer.Finish.ContentFilter.ShouldBe(
            new ContentFilter { Stage = FilterStage.Input, Source = "gemini", Categories = { "prohibited_content" } });
        answer.Finish.StreamedTokens.ShouldBe(0u);
        answer.Finish.Usage.InputTokens.ShouldBe(9u);
    }

    [Fact]
    public async Task ToolCallCutOff_IsNeverDone()
    {
        await using var upstream = TestUpstream.Of(
            Begun + Part("""{"functionCall":{"name":"go","partialArgs":[{"jsonPath":"$.a","stringValue":"x","willContinue":true}],"willContinue":true}}""")
            + End("MAX_TOKENS"));
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Finish.Reason.ShouldBe(FinishReason.Length);
        answer.Chunks.ShouldNotContain(static chunk => chunk.ToolCall != null && chunk.ToolCall.Done);
    }
}
