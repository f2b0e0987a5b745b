using System.Text.Json.Nodes;
using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Upstreams.AnthropicScript;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>The messages API as it should be: what is asked, what is told.</summary>
public sealed class AnthropicGenerateTests
{
    private static readonly GenerateRequest Prompt = new() { Prompt = "p" };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Generate_AsksAsTheApiWants()
    {
        await using var upstream = TestUpstream.Of(Complete("a"));
        await using var server = await ServeAsync(
            upstream, "GrpcLlm:Backends:up:BetaFeatures:0=one", "GrpcLlm:Backends:up:BetaFeatures:1=two");

        await Answered(server, Prompt);

        var call = await upstream.NextCallAsync();
        call.Method.ShouldBe("POST");
        call.Path.ShouldBe("/v1/messages");
        call.Headers["x-api-key"].ShouldBe(Key);
        call.Headers["anthropic-version"].ShouldBe("2023-06-01");
        call.Headers["anthropic-beta"].ShouldBe("one,two");
        call.Headers["content-type"].ShouldBe("application/json");
        call.Headers.ShouldNotContainKey("authorization");
        JsonNode.Parse(call.BodyText)!.ToJsonString().ShouldBe(
            """{"model":"claude-x","messages":[{"role":"user","content":[{"type":"text","text":"p"}]}],"max_tokens":4096,"stream":true}""");
    }

    [Fact]
    public async Task Generate_Text_IsToldWithModelIdAndBill()
    {
        await using var upstream = TestUpstream.Of(Complete("Hello", ", ", "world"));
        await using var server = await ServeAsync(upstream);

        var answer = await Answered(server, Prompt);

        answer.Text.ShouldBe("Hello, world");
        answer.Chunks[0].Text.ShouldBe("Hello");
        answer.Chunks[0].Started.InputTokens.ShouldBe(17u);
        answer.Chunks[0].Started.BackendModel.ShouldBe("claude-x-20260101");
        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
        answer.Finish.BackendFinishReason.ShouldBe("end_turn");
        answer.Finish.BackendResponseId.ShouldBe("msg_01");
        answer.Finish.StreamedTokens.ShouldBe(3u);
        answer.Finish.Usage.ShouldBe(new Usage
        {
            InputTokens = 17, CachedInputTokens = 5, CacheWriteInputTokens = 2, OutputTokens = 9, Source = UsageSource.Reported,
        });
        answer.Summary.Usage.ShouldBe(answer.Finish.Usage);
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task Generate_UpstreamWaitsForTheClient_EveryEventIsDeliveredBeforeTheNext()
    {
        using var received = new SemaphoreSlim(0);
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Start + Block(0, """{"type":"text","text":""}"""));
            for (var i = 0; i < 20; i++)
            {
                await call.WriteAsync(Text(0, $"{i} "));
                await received.WaitAsync(Cancelled);
            }

            await call.WriteAsync(Stopped(0) + End("end_turn") + Stop);
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);
        using var call = server.Client.Generate(Prompt, cancellationToken: Cancelled);

        var texts = new List<string>();
        while (await call.ResponseStream.MoveNext(Cancelled))
        {
            if (call.ResponseStream.Current.Text.Length == 0) continue;
            texts.Add(call.ResponseStream.Current.Text);
            received.Release();
        }

        texts.ShouldBe(Enumerable.Range(0, 20).Select(static i => $"{i} "));
    }

    [Fact]
    public async Task Generate_StopSequence_IsAskedForAndNamed()
    {
        await using var upstream = TestUpstream.Of(
            Start + Block(0, """{"type":"text","text":"so far"}""") + Stopped(0)
            + End("stop_sequence", stopSequence: "\"END\"") + Stop);
        await using var server = await ServeAsync(upstream);

        var answer = await Answered(
            server, new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { StopSequences = { "END", "\n\n" } } });

        answer.Text.ShouldBe("so far");
        answer.Finish.Reason.ShouldBe(FinishReason.StopSequence);
        answer.Finish.StopSequence.ShouldBe("END");
        var body = JsonNode.Parse((await upstream.NextCallAsync()).BodyText)!;
        body["stop_sequences"]!.ToJsonString().ShouldBe("""["END"]""");
    }

    [Fact]
    public async Task Generate_StopSequenceThatTheApiRefuses_IsMatchedHereAndStopsTheUpstream()
    {
        var closed = new TaskCompletionSource();
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Start + Block(0, """{"type":"text","text":""}""") + Text(0, "one\n") + Text(0, "\ntwo"));
            await call.SilenceAsync();
            closed.SetResult();
        });
        await using var server = await ServeAsync(upstream);

        var answer = await Answered(
            server, new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { StopSequences = { "\n\n" } } });

        answer.Text.ShouldBe("one");
        answer.Finish.StopSequence.ShouldBe("\n\n");
        await closed.Task;
    }

    [Fact]
    public async Task Generate_ToolLoop_SendsSignedPartsBackAsTheyCame()
    {
        var first = Start
            + Block(0, """{"type":"redacted_thinking","data":"cmVkYWN0ZWQ="}""") + Stopped(0)
            + Block(1, """{"type":"thinking","thinking":"","signature":""}""") + Delta(1, "thinking_delta", "thinking", "hm, ")
            + Delta(1, "thinking_delta", "thinking", "yes") + Delta(1, "signature_delta", "signature", "c2ln") + Stopped(1)
            + Block(2, """{"type":"thinking","thinking":""}""") + Delta(2, "signature_delta", "signature", "b21pdHRlZA==") + Stopped(2)
            + Block(3, """{"type":"text","text":""}""") + Text(3, "Looking.") + Stopped(3)
            + Block(4, """{"type":"tool_use","id":"toolu_1","name":"look","input":{}}""")
            + Delta(4, "input_json_delta", "partial_json", "") + Delta(4, "input_json_delta", "partial_json", "{\"at\":")
            + Delta(4, "input_json_delta", "partial_json", "1.0}") + Stopped(4)
            + Block(5, """{"type":"tool_use","id":"toolu_2","name":"look","input":{}}""") + Stopped(5)
            + End("tool_use") + Stop;
        await using var upstream = TestUpstream.Of(first);
        await using var server = await ServeAsync(upstream);
        var request = new GenerateRequest
        {
            Conversation = new Conversation { Messages = { Message(Role.User, new ContentPart { Text = "look" }) } },
            Tools = { new Tool { Name = "look" } },
        };

        var answer = await Answered(server, request);

        answer.Finish.Reason.ShouldBe(FinishReason.ToolCalls);
        var calls = answer.Chunks.Where(static one => one.ToolCall is not null).Select(static one => one.ToolCall).ToList();
        calls.Where(static one => one.Id.Length > 0).Select(static one => one.Id).ShouldBe(["toolu_1", "toolu_2"]);
        calls.Where(static one => one.Done).Select(static one => one.Index).ShouldBe([0u, 1u]);

        await upstream.NextCallAsync();
        request.Conversation.Messages.Add(Message(Role.Assistant, [.. PartsOf(answer)]));
        request.Conversation.Messages.Add(Message(
            Role.Tool, new ContentPart { ToolResult = new ToolResult { ToolCallId = "toolu_1", Parts = { new ContentPart { Text = "7" } } } },
            new ContentPart { ToolResult = new ToolResult { ToolCallId = "toolu_2", IsError = true } }));
        await Answered(server, request);

        var messages = JsonNode.Parse((await upstream.NextCallAsync()).BodyText)!["messages"]!;
        messages[1]!["content"]!.ToJsonString().ShouldBe(JsonNode.Parse(
            """
            [{"type":"redacted_thinking","data":"cmVkYWN0ZWQ="},{"type":"thinking","thinking":"hm, yes","signature":"c2ln"},
            {"type":"thinking","thinking":"","signature":"b21pdHRlZA=="},{"type":"text","text":"Looking."},
            {"type":"tool_use","id":"toolu_1","name":"look","input":{"at":1.0}},
            {"type":"tool_use","id":"toolu_2","name":"look","input":{}}]
            """)!.ToJsonString());
        messages[2]!["content"]!.AsArray().Count.ShouldBe(2);
    }

    [Fact]
    public async Task Generate_ProviderOptions_AreMergedOrRefused()
    {
        await using var upstream = TestUpstream.Of(Complete("a"));
        await using var server = await ServeAsync(upstream, "GrpcLlm:Backends:up:AllowedProviderOptions:0=service_tier");

        await Answered(
            server, new GenerateRequest { Prompt = "p", ProviderOptionsJson = { { "anthropic", """{"service_tier":"auto"}""" } } });
        var refused = await Answer.OfAsync(
            server, new GenerateRequest { Prompt = "p", ProviderOptionsJson = { { "anthropic", """{"thinking":{}}""" } } });

        JsonNode.Parse((await upstream.NextCallAsync()).BodyText)!["service_tier"]!.GetValue<string>().ShouldBe("auto");
        refused.Reason.ShouldBe("INVALID_REQUEST");
    }

    [Fact]
    public async Task Generate_FieldThatTheApiCannotTake_IsRefusedByName()
    {
        await using var upstream = TestUpstream.Of(Complete("a"));
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(
            server, new GenerateRequest { Prompt = "p", Sampling = new SamplingOptions { Seed = 1, Temperature = 2 } });

        answer.Status.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        answer.Detail<Google.Rpc.BadRequest>().FieldViolations.Select(static one => one.Field)
            .ShouldBe(["sampling.temperature", "sampling.seed"]);
        upstream.Connections.ShouldBe(0);
    }

    [Fact]
    public async Task Generate_Twice_UsesTheConnectionAgain()
    {
        await using var upstream = TestUpstream.Of(Complete("a"));
        await using var server = await ServeAsync(upstream);

        await Answered(server, Prompt);
        await server.Logs.NextUsageAsync();
        await Answered(server, Prompt);

        upstream.Connections.ShouldBe(1);
    }

    [Fact]
    public async Task CountTokens_AsksTheProvider()
    {
        await using var upstream = TestUpstream.Of("""{"input_tokens":42}""", "application/json");
        await using var server = await ServeAsync(upstream);

        var count = await server.Client.CountTokensAsync(
            new CountTokensRequest { Prompt = "p", Tools = { new Tool { Name = "t" } } }, cancellationToken: Cancelled);

        count.InputTokens.ShouldBe(42u);
        count.Source.ShouldBe(UsageSource.Reported);
        var call = await upstream.NextCallAsync();
        call.Path.ShouldBe("/v1/messages/count_tokens");
        JsonNode.Parse(call.BodyText)!.AsObject().Select(static one => one.Key).ShouldBe(["model", "messages", "tools"]);
    }

    [Theory]
    [InlineData(404)]
    [InlineData(405)]
    public async Task CountTokens_NoSuchEndpoint_IsEstimated(int status)
    {
        await using var upstream = TestUpstream.Of("no", "text/plain", status);
        await using var server = await ServeAsync(upstream);

        var count = await server.Client.CountTokensAsync(
            new CountTokensRequest { Prompt = "what is this?" }, cancellationToken: Cancelled);

        count.InputTokens.ShouldBeGreaterThan(0u);
        count.Source.ShouldBe(UsageSource.Estimated);
    }

    [Theory]
    [InlineData(401, StatusCode.Internal)]
    [InlineData(429, StatusCode.ResourceExhausted)]
    [InlineData(500, StatusCode.Unavailable)]
    public async Task CountTokens_ProviderFails_SaysSo(int status, StatusCode expected)
    {
        await using var upstream = TestUpstream.Of("{}", "application/json", status);
        await using var server = await ServeAsync(upstream);

        var exception = await Should.ThrowAsync<RpcException>(async () =>
            await server.Client.CountTokensAsync(new CountTokensRequest { Prompt = "p" }, cancellationToken: Cancelled));

        exception.StatusCode.ShouldBe(expected);
    }

    [Fact]
    public async Task ListModels_TellsWhatTheProviderTells()
    {
        await using var upstream = TestUpstream.Of(
            """{"id":"claude-x","type":"model","display_name":"Claude X","max_input_tokens":200000,"max_tokens":64000,"capabilities":{"thinking":{"supported":true},"image_input":{"supported":true},"structured_outputs":{"supported":false}}}""",
            "application/json");
        await using var server = await ServeAsync(upstream);

        var models = await server.Client.ListModelsAsync(new ListModelsRequest(), cancellationToken: Cancelled);

        (await upstream.NextCallAsync()).Path.ShouldBe("/v1/models/claude-x");
        var model = models.Models.Single(static one => one.Name == "m");
        model.DisplayName.ShouldBe("Claude X");
        model.ContextWindow.ShouldBe(200_000u);
        model.MaxOutputTokens.ShouldBe(64_000u);
        model.InputModalities.ShouldBe([Modality.Text, Modality.Image]);
        model.Capabilities.ShouldBe([ModelCapability.Conversation, ModelCapability.Tools, ModelCapability.Reasoning], ignoreOrder: true);
    }

    private static async Task<Answer> Answered(LlmServer server, GenerateRequest request)
    {
        var answer = await Answer.OfAsync(server, request);
        answer.Status.StatusCode.ShouldBe(StatusCode.OK, answer.Status.Detail);
        return answer;
    }

    private static ConversationMessage Message(Role role, params ContentPart[] parts) => new() { Role = role, Parts = { parts } };

    /// <summary>The parts of an answer as a client keeps them: by <c>part_index</c>, deltas joined, signature beside them.</summary>
    private static IEnumerable<ContentPart> PartsOf(Answer answer)
    {
        foreach (var chunks in answer.Chunks.Where(static one => one.DeltaCase != TokenChunk.DeltaOneofCase.None || !one.Signature.IsEmpty)
            .GroupBy(static one => one.PartIndex).OrderBy(static one => one.Key))
        {
            var part = new ContentPart { Signature = ByteString.CopyFrom([.. chunks.SelectMany(static one => one.Signature)]) };
            switch (chunks.First().DeltaCase)
            {
                case TokenChunk.DeltaOneofCase.Text:
                    part.Text = string.Concat(chunks.Select(static one => one.Text));
                    break;
                case TokenChunk.DeltaOneofCase.ToolCall:
                    part.ToolCall = new ToolCall
                    {
                        Id = chunks.First().ToolCall.Id,
                        Name = chunks.First().ToolCall.Name,
                        ArgumentsJson = string.Concat(chunks.Select(static one => one.ToolCall?.ArgumentsFragment)),
                    };
                    break;
                default:
                    part.Reasoning = string.Concat(chunks.Select(static one => one.Reasoning));
                    break;
            }

            yield return part;
        }
    }
}
