using System.Globalization;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Upstreams.OllamaScript;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>Ollama's native API when it fails, before the first token and after it.</summary>
public sealed class OllamaTroubleTests
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
        await using var upstream = TestUpstream.Of("""{"error":"this did not work"}""", "application/json; charset=utf-8", status);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Chunks.ShouldBeEmpty();
        answer.Status.StatusCode.ShouldBe(code);
        answer.Reason.ShouldBe(reason);
        if (reason != "UPSTREAM_MISCONFIGURED") answer.Status.Detail.ShouldContain("this did not work");
    }

    [Fact]
    public async Task PromptTooLong_IsContextTooLong()
    {
        await using var upstream = TestUpstream.Of("""{"error":"the input length exceeds the context length"}""", "application/json", 400);
        await using var server = await ServeAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Reason.ShouldBe("CONTEXT_TOO_LONG");
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

    // A body with status 200 that holds no answer, its media type.
    public static TheoryData<string, string> NoAnswers => new()
    {
        { "", MediaType },
        { "\n\n", MediaType },
        { "<html><body>Bad gateway</body></html>", "text/html" },
        { "<html><body>Bad gateway</body></html>", MediaType },
        { "{\"error\":\"llama runner process has terminated\"}\n", MediaType },
        { "{\n  \"error\": \"no\"\n}\n", "application/json" },
        { Message("\"content\":\"\""), MediaType },
        { "nonsense\n", MediaType },
        { "[1]\n", MediaType },
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
    [Theory]
    [InlineData("", "UPSTREAM_TRUNCATED")]
    [InlineData("{\"message\":{\"cont", "UPSTREAM_TRUNCATED")]
    [InlineData("nonsense\n{}\n", "UPSTREAM_MALFORMED")]
    [InlineData("{\"error\":\"an error was encountered while running the model: CUDA\"}\n", "UPSTREAM_FAILED")]
    [InlineData("{\"error\":\"slow down\",\"status_code\":429}\n", "UPSTREAM_FAILED")]
    [InlineData("{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"a\",\"arguments\":\"{\"}}]}}\n", "UPSTREAM_MALFORMED")]
    public async Task BadEnd_AfterTheFirstToken_IsAborted(string rest, string reason)
    {
        await using var upstream = TestUpstream.Of(Begun + rest, MediaType);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe(Tokens);
        answer.Status.StatusCode.ShouldBe(StatusCode.Aborted);
        answer.Reason.ShouldBe(reason);
        answer.Chunks.ShouldAllBe(static chunk => chunk.Finish == null);
        answer.Summary.Usage.OutputTokens.ShouldBeGreaterThan(0u);
        answer.Summary.Usage.Source.ShouldBe(UsageSource.Estimated);
    }

    [Fact]
    public async Task ErrorLine_BeforeTheFirstToken_CountsAsItsStatus()
    {
        await using var upstream = TestUpstream.Of("{\"error\":\"slow down\",\"status_code\":429}\n", MediaType);
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
            await call.HeadAsync(contentType: MediaType);
            if (afterToken)
            {
                await call.WriteAsync(Begun);
                await heard.Task;
            }

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

    [Theory]
    [InlineData(false, "FIRST_TOKEN_TIMEOUT")]
    [InlineData(true, "UPSTREAM_STALLED")]
    public async Task Silence_IsTyped(bool afterToken, string reason)
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync(contentType: MediaType);
            await call.WriteAsync(afterToken ? Begun : Message("\"content\":\"\""));
            await call.SilenceAsync();
        });
        await using var server = await ServeAsync(
            upstream, "GrpcLlm:Backends:up:FirstTokenTimeout=00:00:02", "GrpcLlm:Backends:up:IdleTimeout=00:00:00.2");

        (await Answer.OfAsync(server, Prompt)).Reason.ShouldBe(reason);
    }

    [Theory]
    [InlineData("length", FinishReason.Length)]
    [InlineData("load", FinishReason.Other)]
    [InlineData("nobody_told_of_it", FinishReason.Other)]
    public async Task DoneReason_IsMappedWithTheRawWord(string word, FinishReason reason)
    {
        await using var upstream = TestUpstream.Of(Begun + Done(word), MediaType);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Finish.Reason.ShouldBe(reason);
        answer.Summary.BackendFinishReason.ShouldBe(word);
    }

    [Fact]
    public async Task StopSequence_IsMatchedHereAndClosesTheUpstream()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync(contentType: MediaType);
            await call.WriteAsync(Text("one ST") + Text("OP two"));
            await call.SilenceAsync();
        });
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(
            server, new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { StopSequences = { "STOP" } } });

        answer.Text.ShouldBe("one ");
        answer.Finish.StopSequence.ShouldBe("STOP");
        await (await upstream.NextCallAsync()).Closed;
    }
}
