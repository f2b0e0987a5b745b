using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests;

/// <summary>Bad input and failing backends: a typed error each, and a service that goes on.</summary>
public sealed class ErrorsTests
{
    [Fact]
    public async Task EmptyRequest_NamesTheMissingInput()
    {
        await using var server = await LlmServer.StartAsync();

        var answer = await Answer.OfAsync(server, new GenerateRequest());

        answer.Status.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        answer.Reason.ShouldBe("INVALID_REQUEST");
        answer.Detail<BadRequest>().FieldViolations.ShouldHaveSingleItem().Field.ShouldBe("input");
    }

    [Fact]
    public async Task ManyViolations_AreAllInOneAnswer()
    {
        await using var server = await LlmServer.StartAsync();
        var request = new GenerateRequest
        {
            Sampling = new SamplingOptions { Temperature = -1, TopP = 2 },
            Limits = new GenerationLimits { StopSequences = { Enumerable.Range(0, 300).Select(n => $"s{n}") } },
            CachePolicy = CachePolicy.Only,
            OnDisconnect = OnDisconnect.Continue,
            ResumeAfter = 3,
        };

        var answer = await Answer.OfAsync(server, request);

        answer.Detail<BadRequest>().FieldViolations.Select(violation => violation.Field).ShouldBe(
            ["input", "sampling.temperature", "sampling.top_p", "limits.stop_sequences", "resume_after", "on_disconnect", "cache_policy"],
            ignoreOrder: true);
        await ShouldStillServeAsync(server);
    }

    [Fact]
    public async Task UnknownModel_IsNotFoundWithItsName()
    {
        await using var server = await LlmServer.StartAsync();

        var answer = await Answer.OfAsync(server, new GenerateRequest { Model = "gpt-77", Prompt = "p" });

        answer.Status.StatusCode.ShouldBe(StatusCode.NotFound);
        answer.Reason.ShouldBe("MODEL_NOT_FOUND");
        answer.Detail<ResourceInfo>().ResourceName.ShouldBe("gpt-77");
        (await server.Logs.NextUsageAsync()).GetProperty("model").GetString().ShouldBe("_other");
    }

    [Fact]
    public async Task FieldsTheModelCannotHonour_AreRefusedByName()
    {
        await using var server = await LlmServer.StartAsync();
        var request = new GenerateRequest
        {
            Prompt = "p",
            Tools = { new Tool { Name = "add" } },
            Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High },
        };

        var answer = await Answer.OfAsync(server, request);

        answer.Reason.ShouldBe("INVALID_REQUEST");
        answer.Detail<BadRequest>().FieldViolations.Select(violation => violation.Field)
            .ShouldBe(["tools", "reasoning.effort"], ignoreOrder: true);
    }

    [Fact]
    public async Task FiveMegabytePrompt_IsContextTooLong()
    {
        await using var server = await LlmServer.StartAsync();

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = new string('a', 5_000_000) });

        answer.Status.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        answer.Reason.ShouldBe("CONTEXT_TOO_LONG");
        await ShouldStillServeAsync(server);
    }

    [Fact]
    public async Task RequestAboveTheLimit_IsTheFrameworksResourceExhausted()
    {
        await using var server = await LlmServer.StartAsync("GrpcLlm:Limits:MaxRequestBytes=4096");

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = new string('a', 5_000) });

        answer.Status.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        await ShouldStillServeAsync(server);
    }

    [Fact]
    public async Task BrokenUtf8InAString_IsInvalidRequestWithItsPath()
    {
        await using var server = await LlmServer.StartAsync();
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var request = new GenerateRequest
        {
            Conversation = new Conversation
            {
                Messages = { new ConversationMessage { Role = Role.User, Parts = { new ContentPart { Text = "ok ~~ not" } } } },
            },
        }.ToByteArray();
        var place = request.AsSpan().IndexOf("~~"u8);
        request[place] = 0xC3;

        var details = await FailWithAsync(connection, request);

        var error = details.Details[0].Unpack<ErrorInfo>();
        error.Reason.ShouldBe("INVALID_REQUEST");
        var violation = details.Details[1].Unpack<BadRequest>().FieldViolations.ShouldHaveSingleItem();
        violation.Field.ShouldBe("conversation.messages[0].parts[0].text");
        await ShouldStillServeAsync(server);
    }

    [Fact]
    public async Task BrokenProtobuf_IsInvalidRequestWithAUsageRecord()
    {
        await using var server = await LlmServer.StartAsync();
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);

        var details = await FailWithAsync(connection, [0x1A, 0xFF, 0x01]);

        details.Details[0].Unpack<ErrorInfo>().Reason.ShouldBe("INVALID_REQUEST");
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("INVALID_REQUEST");
        await ShouldStillServeAsync(server);
    }

    [Theory]
    [InlineData("Unavailable", "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable, "upstream", true)]
    [InlineData("RateLimited", "UPSTREAM_RATE_LIMITED", StatusCode.ResourceExhausted, "upstream", true)]
    [InlineData("Overloaded", "OVERLOADED", StatusCode.Unavailable, "service", true)]
    [InlineData("Rejected", "UPSTREAM_REJECTED", StatusCode.FailedPrecondition, "upstream", false)]
    [InlineData("Misconfigured", "UPSTREAM_MISCONFIGURED", StatusCode.Internal, "service", false)]
    [InlineData("ContextTooLong", "CONTEXT_TOO_LONG", StatusCode.InvalidArgument, "client", false)]
    [InlineData("Stalled", "FIRST_TOKEN_TIMEOUT", StatusCode.Unavailable, "upstream", true)]
    [InlineData("Truncated", "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable, "upstream", true)]
    [InlineData("Malformed", "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable, "upstream", true)]
    [InlineData("Failed", "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable, "upstream", true)]
    public async Task BackendFails_BeforeTheFirstToken_IsTypedAndRetryableWhereItMayPass(
        string failure, string reason, StatusCode status, string fault, bool retryable)
    {
        await using var server = await LlmServer.StartAsync(Failing(Enum.Parse<BackendFailure>(failure)));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Chunks.ShouldBeEmpty();
        answer.Status.StatusCode.ShouldBe(status);
        answer.Status.Detail.ShouldBe("it broke");
        answer.Reason.ShouldBe(reason);
        answer.ErrorMetadata["retry_safe"].ShouldBe(retryable ? "true" : "false");
        answer.ErrorMetadata["backend"].ShouldBe("scripted");
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe(retryable ? "1000" : "-1");
        answer.Trailer("finish-reason").ShouldBe("error");
        if (retryable) answer.Detail<RetryInfo>().RetryDelay.ToTimeSpan().ShouldBe(TimeSpan.FromSeconds(1));
        answer.Summary.AttemptLog.ShouldHaveSingleItem().Outcome.ShouldBe(AttemptOutcome.Failed);
        await server.Logs.NextUsageAsync();
        await Eventually.IsAsync(() => server.Metrics.AllFinished == 1);
        server.Metrics.Finished(reason.ToLowerInvariant(), fault).ShouldBe(1);
    }

    [Theory]
    [InlineData("Unavailable", "UPSTREAM_TRUNCATED")]
    [InlineData("Stalled", "UPSTREAM_STALLED")]
    [InlineData("Truncated", "UPSTREAM_TRUNCATED")]
    [InlineData("Malformed", "UPSTREAM_MALFORMED")]
    [InlineData("Failed", "UPSTREAM_FAILED")]
    [InlineData("RateLimited", "UPSTREAM_FAILED")]
    public async Task BackendFails_AfterTheFirstToken_IsAbortedAndSaysWhatWasDelivered(string failure, string reason)
    {
        await using var server = await LlmServer.StartAsync(
            Failing(Enum.Parse<BackendFailure>(failure), BackendEvent.TextDelta("one "), BackendEvent.TextDelta("two")));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Text.ShouldBe("one two");
        answer.Status.StatusCode.ShouldBe(StatusCode.Aborted);
        answer.Reason.ShouldBe(reason);
        answer.ErrorMetadata["last_sequence"].ShouldBe("2");
        answer.ErrorMetadata["streamed_tokens"].ShouldBe("2");
        answer.ErrorMetadata["retry_safe"].ShouldBe("false");
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe("-1");
        answer.Summary.Usage.OutputTokens.ShouldBe(2u);
        answer.Summary.LastSequence.ShouldBe(2u);
        answer.Summary.FinishReason.ShouldBe(FinishReason.Unspecified);
    }

    [Fact]
    public async Task BackendFails_HeldTextIsDeliveredBeforeTheError()
    {
        await using var server = await LlmServer.StartAsync(
            Failing(BackendFailure.Failed, BackendEvent.TextDelta("one "), BackendEvent.TextDelta("st")));
        var request = new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { StopSequences = { "stop" } } };

        var answer = await Answer.OfAsync(server, request);

        answer.Text.ShouldBe("one st");
        answer.ErrorMetadata["streamed_tokens"].ShouldBe("2");
    }

    [Fact]
    public async Task FaultOfOurOwn_IsInternalWithoutDetailsAndLogged()
    {
        var backend = new ScriptedBackend((_, _) => throw new ArithmeticException("secret-stack"));
        await using var server = await LlmServer.StartAsync(backend);

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Status.StatusCode.ShouldBe(StatusCode.Internal);
        answer.Reason.ShouldBe("INTERNAL");
        answer.Status.Detail.ShouldNotContain("secret-stack");
        server.Logs.Errors.ShouldHaveSingleItem().ShouldContain("UnexpectedFailure");
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("INTERNAL");
    }

    [Fact]
    public async Task PromptAndAnswer_AppearInNoLog()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("answer-5081"));

        await Answer.OfAsync(server, new GenerateRequest { Prompt = "prompt-7343" });
        await Answer.OfAsync(server, new GenerateRequest { Prompt = "prompt-7343", Sampling = new SamplingOptions { TopP = 9 } });
        await server.Logs.NextUsageAsync();
        await server.Logs.NextUsageAsync();

        server.Logs.Lines.ShouldAllBe(line => !line.Contains("prompt-7343") && !line.Contains("answer-5081"));
    }

    [Fact]
    public async Task UnaryMethods_FailWithTheSameDetails()
    {
        await using var server = await LlmServer.StartAsync();

        var exception = await Should.ThrowAsync<RpcException>(async () => await server.Client.CancelGenerationAsync(
            new CancelGenerationRequest { RequestId = "not allowed!" }, cancellationToken: TestContext.Current.CancellationToken));

        exception.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        var details = Google.Rpc.Status.Parser.ParseFrom(exception.Trailers.GetValueBytes("grpc-status-details-bin"));
        details.Details[0].Unpack<ErrorInfo>().Reason.ShouldBe("INVALID_REQUEST");
        details.Details[1].Unpack<BadRequest>().FieldViolations.ShouldHaveSingleItem().Field.ShouldBe("request_id");
    }

    private static async Task<Google.Rpc.Status> FailWithAsync(RawHttp2Connection connection, byte[] request)
    {
        var stream = await connection.CallAsync(Paths.Generate, request);
        var trailers = await stream.Trailers;
        trailers.ShouldContain(("grpc-status", "3"));
        var encoded = trailers.Single(field => field.Name == "grpc-status-details-bin").Value;
        return Google.Rpc.Status.Parser.ParseFrom(
            Convert.FromBase64String(encoded.PadRight((encoded.Length + 3) / 4 * 4, '=')));
    }

    private static ScriptedBackend Failing(BackendFailure failure, params BackendEvent[] before) =>
        new((_, _) => Play(failure, before));

    private static async IAsyncEnumerable<BackendEvent> Play(BackendFailure failure, BackendEvent[] before)
    {
        foreach (var one in before) yield return one;
        await Task.Yield();
        throw new BackendException(failure, "it broke");
    }

    private static async Task ShouldStillServeAsync(LlmServer server)
    {
        var answer = await Answer.OfAsync(server, new GenerateRequest
        {
            Prompt = "Once", Limits = new GenerationLimits { MaxOutputTokens = 2, MinOutputTokens = 2 },
        });
        answer.Finish.Reason.ShouldBe(FinishReason.Length);
    }
}
