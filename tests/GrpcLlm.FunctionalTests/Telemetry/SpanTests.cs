using System.Diagnostics;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Resilience;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Testing.CollectedSpans;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>The spans of a call, by exact names and attributes, over real sockets.</summary>
[Collection(HttpSpans.Name)]
public sealed class SpanTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Call_IsOneServerSpan_WithTheCallerAsItsParent()
    {
        using var spans = new CollectedSpans();
        await using var upstream = TestUpstream.Of(Sse(Chunk, Stop, UsageChunk));
        await using var server = await StartAsync(upstream, "GrpcLlm:Models:m:Price:Currency=USD", "GrpcLlm:Models:m:Price:Input=1", "GrpcLlm:Models:m:Price:Output=2");
        var request = new GenerateRequest { RequestId = "r-1", Prompt = "p", Labels = { ["project"] = "x\ny" } };

        await CallAsync(server, request, spans);

        var span = await spans.CallEndedAsync();
        span.DisplayName.ShouldBe("grpcllm.v1.GenerationService/Generate");
        span.Kind.ShouldBe(ActivityKind.Server);
        span.TraceId.ToHexString().ShouldBe(spans.TraceId);
        span.ParentSpanId.ShouldBe(spans.CallerSpan);
        span.Status.ShouldBe(ActivityStatusCode.Unset);
        Tags(span, "rpc.", "gen_ai.", "grpcllm.", "error.").ShouldBe(
        [
            "gen_ai.operation.name=chat",
            "gen_ai.request.model=m",
            "gen_ai.request.stream=True",
            "gen_ai.response.finish_reasons=[stop]",
            "gen_ai.response.model=m-2024",
            "gen_ai.usage.cache_read.input_tokens=8",
            "gen_ai.usage.input_tokens=19",
            "gen_ai.usage.output_tokens=10",
            "gen_ai.usage.reasoning.output_tokens=6",
            "grpcllm.attempts=1",
            "grpcllm.backend=up",
            "grpcllm.cost.currency=USD",
            "grpcllm.cost=3.9E-05",
            "grpcllm.label.project=x\ny",
            "grpcllm.request_id=r-1",
            "grpcllm.usage.source=reported",
            "rpc.method=grpcllm.v1.GenerationService/Generate",
            "rpc.response.status_code=OK",
            "rpc.system.name=grpc",
        ]);
        (await server.Logs.NextUsageAsync()).GetProperty("trace_id").GetString().ShouldBe(spans.TraceId);
    }

    [Fact]
    public async Task Attempt_IsAClientSpanBelowTheCall_AndItsContextGoesUpstream_WithoutBaggage()
    {
        using var spans = new CollectedSpans();
        await using var upstream = TestUpstream.Of(Sse(Chunk, Stop, UsageChunk));
        await using var server = await StartAsync(upstream);
        var request = new GenerateRequest
        {
            Prompt = "p",
            Sampling = new SamplingOptions { Temperature = 0.5, TopP = 0.25, Seed = 3, PresencePenalty = 1, FrequencyPenalty = -1 },
            Limits = new GenerationLimits { MaxOutputTokens = 20 },
        };

        await CallAsync(server, request, spans);

        var call = await spans.CallEndedAsync();
        var attempt = spans.Attempts.ShouldHaveSingleItem();
        attempt.DisplayName.ShouldBe("chat m");
        attempt.Kind.ShouldBe(ActivityKind.Client);
        attempt.ParentSpanId.ShouldBe(call.SpanId);
        attempt.Status.ShouldBe(ActivityStatusCode.Unset);
        attempt.Source.Version.ShouldBe("0.1.0");
        attempt.Source.TelemetrySchemaUrl.ShouldBe("https://opentelemetry.io/schemas/1.41.0");
        attempt.Links.ShouldBeEmpty();
        attempt.GetTagItem("gen_ai.response.time_to_first_chunk").ShouldBeOfType<double>().ShouldBeGreaterThan(0);
        Tags(attempt).Where(static tag => !tag.StartsWith("gen_ai.response.time_to", StringComparison.Ordinal)).ShouldBe(
        [
            "gen_ai.operation.name=chat",
            "gen_ai.output.type=text",
            "gen_ai.provider.name=openai",
            "gen_ai.request.frequency_penalty=-1",
            "gen_ai.request.max_tokens=20",
            "gen_ai.request.model=m",
            "gen_ai.request.presence_penalty=1",
            "gen_ai.request.seed=3",
            "gen_ai.request.stream=True",
            "gen_ai.request.temperature=0.5",
            "gen_ai.request.top_p=0.25",
            "gen_ai.response.finish_reasons=[stop]",
            "gen_ai.response.id=chatcmpl-1",
            "gen_ai.response.model=m-2024",
            "gen_ai.usage.cache_read.input_tokens=8",
            "gen_ai.usage.input_tokens=19",
            "gen_ai.usage.output_tokens=10",
            "gen_ai.usage.reasoning.output_tokens=6",
            "grpcllm.attempt.hedged=False",
            "grpcllm.attempt.key_label=key1",
            "grpcllm.attempt.number=1",
            "grpcllm.attempt.outcome=served",
            "grpcllm.backend=up",
            "grpcllm.usage.source=reported",
            "server.address=127.0.0.1",
            $"server.port={upstream.Address.Port}",
        ]);
        var headers = (await upstream.NextCallAsync()).Headers;
        headers["traceparent"].ShouldBe(TraceParentOf(attempt));
        headers["tracestate"].ShouldBe("vendor=1");
        headers.Values.ShouldNotContain(static value => value.Contains("secret-baggage", StringComparison.Ordinal));
    }

    [Fact]
    public async Task HttpSpans_WhereTheyAreRecorded_StandBetweenAttemptAndUpstream()
    {
        using var spans = new CollectedSpans(alsoHttp: true);
        await using var upstream = TestUpstream.Of(Sse(Chunk, Stop));
        await using var server = await StartAsync(upstream);

        await CallAsync(server, Prompt, spans);

        await spans.CallEndedAsync();
        var http = spans.Ended.Single(static span => span.Source.Name == HttpSource);
        http.ParentSpanId.ShouldBe(spans.Attempts.ShouldHaveSingleItem().SpanId);
        (await upstream.NextCallAsync()).Headers["traceparent"].ShouldBe(TraceParentOf(http));
    }

    [Theory]
    [InlineData("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")]
    [InlineData(null)]
    public async Task NobodyRecords_TheCallersContextPassesThrough_AndNoneIsMadeUp(string? traceParent)
    {
        await using var upstream = TestUpstream.Of(Sse(Chunk, Stop));
        await using var server = await StartAsync(upstream);
        var metadata = new Metadata();
        if (traceParent is not null) metadata.Add("traceparent", traceParent);

        using var call = server.Client.Generate(Prompt, metadata, cancellationToken: Cancelled);
        (await Answer.OfAsync(call)).Status.StatusCode.ShouldBe(StatusCode.OK);

        (await upstream.NextCallAsync()).Headers.GetValueOrDefault("traceparent").ShouldBe(traceParent);
    }

    [Fact]
    public async Task ModelInThisProcess_IsAnInternalSpan_WithoutAnAddress()
    {
        using var spans = new CollectedSpans();
        var backend = ScriptedBackend.Of(
            BackendEvent.Opened(new BackendOpening { InputTokens = 3, TokenCountSource = UsageSource.Counted }),
            BackendEvent.TextDelta("x"), BackendEvent.Finished(new BackendEnding(FinishReason.Length)));
        await using var server = await LlmServer.StartAsync(backend);
        var request = new GenerateRequest
        {
            Prompt = "p",
            Output = new OutputOptions { ResponseFormat = new ResponseFormat { JsonObject = new JsonObjectFormat() } },
        };

        await CallAsync(server, request, spans);

        await spans.CallEndedAsync();
        var attempt = spans.Attempts.ShouldHaveSingleItem();
        attempt.Kind.ShouldBe(ActivityKind.Internal);
        Tags(attempt, "server.", "gen_ai.output", "gen_ai.provider", "gen_ai.response.f", "gen_ai.usage", "grpcllm.usage").ShouldBe(
        [
            "gen_ai.output.type=json",
            "gen_ai.provider.name=simulator",
            "gen_ai.response.finish_reasons=[length]",
            "gen_ai.usage.input_tokens=3",
            "gen_ai.usage.output_tokens=1",
            "grpcllm.usage.source=counted",
        ]);
    }

    [Fact]
    public async Task UnaryCall_IsNamedAndToldToo()
    {
        using var spans = new CollectedSpans();
        await using var server = await LlmServer.StartAsync();

        await Should.ThrowAsync<RpcException>(async () => await server.Client.CountTokensAsync(
            new CountTokensRequest { Model = "nobody", Prompt = "p" }, spans.Metadata, cancellationToken: Cancelled));

        var span = await spans.CallEndedAsync();
        span.DisplayName.ShouldBe("grpcllm.v1.GenerationService/CountTokens");
        span.Status.ShouldBe(ActivityStatusCode.Unset);
        Tags(span, "rpc.", "grpcllm.", "error.").ShouldBe(
        [
            "error.type=MODEL_NOT_FOUND",
            "grpcllm.fault=client",
            "rpc.method=grpcllm.v1.GenerationService/CountTokens",
            "rpc.response.status_code=NOT_FOUND",
            "rpc.system.name=grpc",
        ]);
    }

    [Fact]
    public async Task OpsPage_StaysAnHttpSpan()
    {
        using var spans = new CollectedSpans();
        await using var server = await LlmServer.StartAsync();
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.OpsAddress, "/healthz"));
        request.Headers.Add("traceparent", spans.TraceParent);

        (await http.SendAsync(request, Cancelled)).EnsureSuccessStatusCode();

        Tags(await spans.CallEndedAsync(), "rpc.", "gen_ai.", "grpcllm.").ShouldBeEmpty();
    }

    [Fact]
    public async Task Spans_HoldNothingOfPromptAnswerOrKey()
    {
        using var spans = new CollectedSpans(alsoHttp: true);
        await using var refusing = TestUpstream.Start(async call =>
        {
            await call.HeadAsync(500, "application/json");
            await call.WriteAsync($$$"""{"error":{"message":"no {{{Key}}} for prompt-secret"}}""");
            await call.EndAsync();
        });
        await using var serving = RoutesSetup.Serving("answer-secret");
        await using var server = await RoutesSetup.StartAsync([refusing, serving], [.. RoutesSetup.Keys("a", Key), .. RoutesSetup.Keys("b", Key)]);
        var request = new GenerateRequest
        {
            Prompt = "prompt-secret", EndUserId = "user-secret", Limits = new GenerationLimits { StopSequences = { "stop-secret" } },
        };

        (await CallAsync(server, request, spans)).Text.ShouldBe("answer-secret");

        await spans.CallEndedAsync();
        spans.Ended.Count.ShouldBe(5);
        foreach (var span in spans.Ended)
        {
            var told = string.Join('\n', [span.DisplayName, span.StatusDescription, .. Tags(span), .. span.Events.SelectMany(static one => one.Tags.Select(static tag => $"{tag.Value}"))]);
            told.ShouldNotContain("-secret");
            told.ShouldNotContain(Key);
        }
    }

    private static string Chunk => """{"id":"chatcmpl-1","model":"m-2024","choices":[{"index":0,"delta":{"content":"hello"}}]}""";

    private static string UsageChunk => """
        {"choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":6}}}
        """.Trim();

    private static async Task<Answer> CallAsync(LlmServer server, GenerateRequest request, CollectedSpans spans)
    {
        using var call = server.Client.Generate(request, spans.Metadata, cancellationToken: Cancelled);
        return await Answer.OfAsync(call);
    }
}
