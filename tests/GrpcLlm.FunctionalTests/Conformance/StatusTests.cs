using System.Text;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Admission;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Conformance;

/// <summary>
/// Every status that the contract can give, with and without responses before it, as it is on the wire. connect: Errors
/// / server-stream; interop: status_code_and_message, special_status_message. Not given by the contract, and so without
/// a case: CANCELLED (the client is gone), UNKNOWN, ALREADY_EXISTS, DATA_LOSS; OUT_OF_RANGE is RESUME_UNAVAILABLE, not
/// served yet.
/// </summary>
public sealed class StatusTests
{
    private const string Key = "key-of-a";

    /// <summary>Where it breaks, what is answered.</summary>
    public static TheoryData<string, StatusCode, string?> WithoutResponses => new()
    {
        { "empty request", StatusCode.InvalidArgument, "INVALID_REQUEST" },
        { "prompt too long", StatusCode.InvalidArgument, "CONTEXT_TOO_LONG" },
        { "unknown model", StatusCode.NotFound, "MODEL_NOT_FOUND" },
        { "no key", StatusCode.Unauthenticated, "UNAUTHENTICATED" },
        { "model not allowed", StatusCode.PermissionDenied, "MODEL_FORBIDDEN" },
        { "quota", StatusCode.ResourceExhausted, "QUOTA_EXCEEDED" },
        { "upstream rate limit", StatusCode.ResourceExhausted, "UPSTREAM_RATE_LIMITED" },
        { "request too large", StatusCode.ResourceExhausted, null },
        { "upstream down", StatusCode.Unavailable, "UPSTREAM_UNAVAILABLE" },
        { "overloaded", StatusCode.Unavailable, "OVERLOADED" },
        { "first token timeout", StatusCode.Unavailable, "FIRST_TOKEN_TIMEOUT" },
        { "upstream refuses", StatusCode.FailedPrecondition, "UPSTREAM_REJECTED" },
        { "upstream misconfigured", StatusCode.Internal, "UPSTREAM_MISCONFIGURED" },
        { "fault of our own", StatusCode.Internal, "INTERNAL" },
        { "time budget", StatusCode.DeadlineExceeded, "DEADLINE" },
        { "unknown method", StatusCode.Unimplemented, null },
    };

    /// <summary>Errors after two responses; the contract knows ABORTED only, and INTERNAL for a fault of its own.</summary>
    public static TheoryData<string, StatusCode, string> AfterResponses => new()
    {
        { "Unavailable", StatusCode.Aborted, "UPSTREAM_TRUNCATED" },
        { "Stalled", StatusCode.Aborted, "UPSTREAM_STALLED" },
        { "Malformed", StatusCode.Aborted, "UPSTREAM_MALFORMED" },
        { "Failed", StatusCode.Aborted, "UPSTREAM_FAILED" },
        { "own", StatusCode.Internal, "INTERNAL" },
    };

    /// <summary>
    /// connect: Errors / server-stream/error-with-no-responses and one case a code: the whole answer is one header block
    /// with END_STREAM (gRPC over HTTP/2: Trailers-Only), HTTP status 200, every field once.
    /// </summary>
    [Theory]
    [MemberData(nameof(WithoutResponses))]
    public async Task Error_WithoutResponses_IsTrailersOnly(string trouble, StatusCode status, string? reason)
    {
        await using var server = await StartAsync(trouble);

        if (trouble == "quota") await CallAsync(server, trouble);

        var answer = await CallAsync(server, trouble);

        answer.IsTrailersOnly.ShouldBeTrue();
        answer.HttpStatus.ShouldBe(200);
        answer.Header("content-type").ShouldBe("application/grpc");
        answer.Messages.ShouldBeEmpty();
        answer.Status.ShouldBe(status);
        answer.Reason.ShouldBe(reason);
        answer.ResetCode.ShouldBeNull();
        answer.Trailers.Select(static field => field.Name).ShouldBeUnique();
        answer.TrailerBytes.ShouldBeLessThan(4096);
        if (reason is null) return;
        answer.Details!.Code.ShouldBe((int)status);
        answer.StatusMessage.ShouldBe(answer.Details.Message);
        answer.Trailer("finish-reason").ShouldBe("error");
    }

    /// <summary>connect: Errors / server-stream/error-with-responses.</summary>
    [Theory]
    [MemberData(nameof(AfterResponses))]
    public async Task Error_AfterResponses_IsInTheTrailersOnly(string trouble, StatusCode status, string reason)
    {
        await using var server = await LlmServer.StartAsync(trouble == "own"
            ? new ScriptedBackend(static (_, _) => PlayThen(new ArithmeticException("secret")))
            : new ScriptedBackend((_, _) => PlayThen(new BackendException(System.Enum.Parse<BackendFailure>(trouble), "it broke"))));

        var answer = await RawCall.OfAsync(server);

        answer.IsTrailersOnly.ShouldBeFalse();
        answer.HttpStatus.ShouldBe(200);
        answer.Text.ShouldBe("onetwo");
        answer.Status.ShouldBe(status);
        answer.Reason.ShouldBe(reason);
        answer.Headers.Select(static field => field.Name).ShouldBe([":status", "content-type", "date", "request-id"], ignoreOrder: true);
        answer.Trailers.Select(static field => field.Name).ShouldBeUnique();
        answer.TrailerBytes.ShouldBeLessThan(4096);
    }

    /// <summary>
    /// interop: special_status_message; connect: Errors / unicode-error-message; gRPC over HTTP/2: Percent-Encoded. All
    /// bytes but 0x20 to 0x7E and '%' are sent as %XX.
    /// </summary>
    [Theory]
    [InlineData("plain words, and signs: ~!@#$^&*()_+", "plain words, and signs: ~!@#$^&*()_+")]
    [InlineData("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
        "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A")]
    [InlineData("100 % of é", "100 %25 of %C3%A9")]
    [InlineData("\u0000\u007f", "%00%7F")]
    public async Task Message_IsPercentEncoded(string message, string encoded)
    {
        await using var server = await LlmServer.StartAsync(
            new ScriptedBackend((_, _) => throw new BackendException(BackendFailure.Rejected, message)));

        var answer = await RawCall.OfAsync(server);

        answer.Trailer("grpc-message").ShouldBe(encoded);
        answer.Details!.Message.ShouldBe(answer.StatusMessage);
    }

    /// <summary>A long message is cut at a code point, to 256 bytes as sent; the details hold the same text.</summary>
    [Theory]
    [InlineData("x", 256)]
    [InlineData("☺", 252)]
    [InlineData("😈", 252)]
    public async Task LongMessage_IsCutBetweenCodePoints(string unit, int bytes)
    {
        await using var server = await LlmServer.StartAsync(new ScriptedBackend(
            (_, _) => throw new BackendException(BackendFailure.Rejected, string.Concat(Enumerable.Repeat(unit, 1000)))));

        var answer = await RawCall.OfAsync(server);

        Encoding.ASCII.GetByteCount(answer.Trailer("grpc-message")!).ShouldBe(bytes);
        answer.StatusMessage.Replace(unit, "", StringComparison.Ordinal).ShouldBeEmpty();
        answer.Details!.Message.ShouldBe(answer.StatusMessage);
    }

    /// <summary>
    /// Trailers stay under 4 KiB with everything in them at its largest: names from the client and from upstream,
    /// violations, the message.
    /// </summary>
    [Fact]
    public async Task LargestTrailers_AreUnderFourKibibytes()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        var request = new GenerateRequest { RequestId = new string('r', 128), Model = new string('m', 5000) };
        for (var index = 0; index < 400; index++)
            request.Labels[$"bad label {index} {new string('l', 200)}"] = new string('v', 500);

        var answer = await RawCall.OfAsync(server, RawHttp2Connection.Message(request.ToByteArray()));

        answer.Status.ShouldBe(StatusCode.InvalidArgument);
        answer.TrailerBytes.ShouldBeLessThan(4096);
        answer.Details!.CalculateSize().ShouldBeLessThanOrEqualTo(1024);
    }

    private static Task<LlmServer> StartAsync(string trouble) => trouble switch
    {
        "no key" => LlmServer.StartAsync(ScriptedBackend.Text("a"), TenantSettings.Of("a", Key)),
        "model not allowed" => LlmServer.StartAsync(TenantSettings.Of("a", Key, "Models:0=simulator")),
        "quota" => LlmServer.StartAsync(ScriptedBackend.Text("a"), TenantSettings.Of("a", Key, "RequestsPerMinute=1")),
        "request too large" => LlmServer.StartAsync(ScriptedBackend.Text("a"), "GrpcLlm:Limits:MaxRequestBytes=1024"),
        "prompt too long" => LlmServer.StartAsync(),
        "time budget" => LlmServer.StartAsync(ScriptedBackend.Silent()),
        "fault of our own" => LlmServer.StartAsync(new ScriptedBackend(static (_, _) => throw new ArithmeticException("secret"))),
        "upstream rate limit" => Failing(BackendFailure.RateLimited),
        "upstream down" => Failing(BackendFailure.Unavailable),
        "overloaded" => Failing(BackendFailure.Overloaded),
        "first token timeout" => Failing(BackendFailure.Stalled),
        "upstream refuses" => Failing(BackendFailure.Rejected),
        "upstream misconfigured" => Failing(BackendFailure.Misconfigured),
        _ => LlmServer.StartAsync(ScriptedBackend.Text("a")),
    };

    private static Task<LlmServer> Failing(BackendFailure failure) =>
        LlmServer.StartAsync(new ScriptedBackend((_, _) => throw new BackendException(failure, "it broke")));

    private static Task<RawAnswer> CallAsync(LlmServer server, string trouble)
    {
        var request = trouble switch
        {
            "empty request" => new GenerateRequest(),
            "unknown model" => new GenerateRequest { Prompt = "p", Model = "none" },
            "prompt too long" => new GenerateRequest { Prompt = new string('a', 20_000) },
            "request too large" => new GenerateRequest { Prompt = new string('a', 1024) },
            "time budget" => new GenerateRequest
            {
                Prompt = "p", Limits = new GenerationLimits { TimeBudget = new Duration { Nanos = 100_000_000 } },
            },
            _ => new GenerateRequest { Prompt = "p" },
        };
        (string, string?)[] headers = trouble switch
        {
            "model not allowed" or "quota" => [("authorization", "Bearer " + Key)],
            "unknown method" => [(":path", "/grpcllm.v1.GenerationService/Nothing")],
            _ => [],
        };
        return RawCall.OfAsync(server, RawHttp2Connection.Message(request.ToByteArray()), headers);
    }

    private static async IAsyncEnumerable<BackendEvent> PlayThen(Exception exception)
    {
        yield return BackendEvent.TextDelta("one");
        yield return BackendEvent.TextDelta("two");
        await Task.Yield();
        throw exception;
    }
}
