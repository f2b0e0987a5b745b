using System.Text.Json;
using Grpc.Core;
using GrpcLlm.Client.Chat;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;

namespace GrpcLlm.Client.Tests.Chat;

/// <summary>The chat client over a real connection.</summary>
public sealed class ChatClientTests
{
    /// <summary>Only a test that hangs ever meets it.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task GetResponse_Text_IsTheAnswerWithAllThatIsKnownOfIt()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        GenerateRequest? seen = null;
        var end = Chunks.End(3, FinishReason.StopSequence);
        end.Finish.StopSequence = "END";
        end.Finish.Usage = new Usage { InputTokens = 10, CachedInputTokens = 4, CacheWriteInputTokens = 2, OutputTokens = 5, ReasoningTokens = 3 };
        end.Finish.Cost = new Money { CurrencyCode = "USD", Nanos = 1_200_000 };
        server.Service.Streams(Chunks.First("Hello"), Chunks.Text(2, " world"), end);
        Spy(server, request => seen = request);
        using var chat = client.AsChatClient("tiny");

        var response = await chat.GetResponseAsync("hi", new ChatOptions { Temperature = 0 }, Token);

        response.Text.ShouldBe("Hello world");
        response.FinishReason.ShouldBe(ChatFinishReason.Stop);
        response.ModelId.ShouldBe("tiny");
        response.ResponseId.ShouldBe(Chunks.RequestId);
        response.ConversationId.ShouldBeNull();
        var usage = response.Usage.ShouldNotBeNull();
        (usage.InputTokenCount, usage.OutputTokenCount, usage.TotalTokenCount).ShouldBe((10, 5, 15));
        (usage.CachedInputTokenCount, usage.ReasoningTokenCount).ShouldBe((4, 3));
        usage.AdditionalCounts!["cache_write_input_tokens"].ShouldBe(2);
        var properties = response.AdditionalProperties.ShouldNotBeNull();
        properties["finish_reason"].ShouldBe("stop_sequence");
        properties["stop_sequence"].ShouldBe("END");
        properties["backend"].ShouldBe("embedded");
        properties["cost"].ShouldBe("0.0012 USD");
        properties["ttft_us"].ShouldBe(203_000L);
        properties.ShouldNotContainKey("backend_model");
        response.Messages.Single().AdditionalProperties.ShouldBe(properties);
        response.RawRepresentation.ShouldBeOfType<GenerationAnswer>().Text.ShouldBe("Hello world");
        response.Messages.Single().RawRepresentation.ShouldBeOfType<ConversationMessage>().Role.ShouldBe(Role.Assistant);
        seen!.Model.ShouldBe("tiny");
        seen.Conversation.Messages.Single().Parts.Single().Text.ShouldBe("hi");
        seen.Sampling.HasTemperature.ShouldBeTrue();
    }

    [Fact]
    public async Task GetStreamingResponse_Text_ComesMessageByMessage()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.Streams(Chunks.Answer());
        using var chat = client.AsChatClient();

        var updates = await chat.GetStreamingResponseAsync("hi", cancellationToken: Token).ToListAsync(Token);

        updates.Select(update => update.Text).ShouldBe(["Hello", " world", ""]);
        updates.Select(update => update.RawRepresentation).ShouldBe(Chunks.Answer());
        updates.ShouldAllBe(update => update.Role == ChatRole.Assistant && update.MessageId == Chunks.RequestId && update.ModelId == "tiny");
        updates[^1].FinishReason.ShouldBe(ChatFinishReason.Stop);
        var response = updates.ToChatResponse();
        response.Text.ShouldBe("Hello world");
        response.Messages.Single().Contents.ShouldHaveSingleItem();
        response.Usage!.TotalTokenCount.ShouldBe(5);
        response.Messages.Single().AdditionalProperties!["backend"].ShouldBe("embedded");
    }

    [Fact]
    public async Task Reasoning_Refusal_AndFunctionCalls_AreContentsOfTheirOwn()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.Streams(
            Numbered(
                new TokenChunk { Reasoning = "Let me", TokenCount = 1 },
                new TokenChunk { Reasoning = " see.", Signature = Google.Protobuf.ByteString.CopyFrom(1, 2, 3) },
                new TokenChunk { PartIndex = 1, Text = "Asking." },
                new TokenChunk { PartIndex = 2, ToolCall = new ToolCallDelta { Id = "c1", Name = "weather", ArgumentsFragment = "{\"city\":" } },
                new TokenChunk { PartIndex = 2, ToolCall = new ToolCallDelta { ArgumentsFragment = "\"Bern\"}", Done = true } },
                new TokenChunk { PartIndex = 3, Refusal = "I will" },
                new TokenChunk { PartIndex = 3, Refusal = " not." },
                new TokenChunk { Finish = new Finish { Reason = FinishReason.ToolCalls } }));
        using var chat = client.AsChatClient();

        var whole = await chat.GetResponseAsync("hi", cancellationToken: Token);
        var streamed = await chat.GetStreamingResponseAsync("hi", cancellationToken: Token).ToChatResponseAsync(Token);

        foreach (var response in new[] { whole, streamed })
        {
            response.FinishReason.ShouldBe(ChatFinishReason.ToolCalls);
            var contents = response.Messages.Single().Contents;
            contents.Count.ShouldBe(4);
            var reasoning = contents[0].ShouldBeOfType<TextReasoningContent>();
            (reasoning.Text, reasoning.ProtectedData).ShouldBe(("Let me see.", "AQID"));
            contents[1].ShouldBeOfType<TextContent>().Text.ShouldBe("Asking.");
            var call = contents[2].ShouldBeOfType<FunctionCallContent>();
            (call.CallId, call.Name, call.InformationalOnly).ShouldBe(("c1", "weather", false));
            call.Arguments!["city"].ShouldBeOfType<JsonElement>().GetString().ShouldBe("Bern");
            var refusal = contents[3].ShouldBeOfType<ErrorContent>();
            (refusal.Message, refusal.ErrorCode).ShouldBe(("I will not.", "Refusal"));
        }
    }

    [Fact]
    public async Task FunctionCall_CutOff_IsToldAndNotToBeCarriedOut()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.Streams(Numbered(
            new TokenChunk { ToolCall = new ToolCallDelta { Id = "c1", Name = "transfer", ArgumentsFragment = "{\"amount\": 10" } },
            new TokenChunk { Finish = new Finish { Reason = FinishReason.Length } }));
        using var chat = client.AsChatClient();

        var whole = await chat.GetResponseAsync("hi", cancellationToken: Token);
        var streamed = await chat.GetStreamingResponseAsync("hi", cancellationToken: Token).ToChatResponseAsync(Token);

        foreach (var response in new[] { whole, streamed })
        {
            response.FinishReason.ShouldBe(ChatFinishReason.Length);
            var call = response.Messages.Single().Contents.Single().ShouldBeOfType<FunctionCallContent>();
            call.InformationalOnly.ShouldBeTrue();
            call.Exception.ShouldNotBeNull();
            call.Arguments.ShouldBeNull();
        }
    }

    [Theory]
    [InlineData(FinishReason.Stop, "stop")]
    [InlineData(FinishReason.StopSequence, "stop")]
    [InlineData(FinishReason.Length, "length")]
    [InlineData(FinishReason.ContextLength, "length")]
    [InlineData(FinishReason.ToolCalls, "tool_calls")]
    [InlineData(FinishReason.ContentFilter, "content_filter")]
    [InlineData(FinishReason.TimeBudget, "time_budget")]
    [InlineData(FinishReason.Cancelled, "cancelled")]
    [InlineData(FinishReason.Quota, "quota")]
    [InlineData(FinishReason.Other, "other")]
    public void FinishReason_EveryOne_HasAName(FinishReason reason, string expected) => ChatEnds.ReasonOf(reason).Value.ShouldBe(expected);

    [Fact]
    public void Usage_OfWhichLittleIsKnown_IsNotMadeUp()
    {
        var usage = ChatEnds.UsageOf(new Usage { OutputTokens = 5 });

        usage.OutputTokenCount.ShouldBe(5);
        usage.InputTokenCount.ShouldBeNull();
        usage.TotalTokenCount.ShouldBeNull();
        usage.CachedInputTokenCount.ShouldBeNull();
        usage.ReasoningTokenCount.ShouldBeNull();
    }

    [Fact]
    public async Task Failure_AfterATokenAndBeforeOne_IsAGenerationException()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.StreamsThenFails(
            ServerFailure.Of(StatusCode.Aborted, "UPSTREAM_STALLED", "silent", lastSequence: 1, streamedTokens: 1), Chunks.First("Hello"));
        using var chat = client.AsChatClient();

        var whole = await Should.ThrowAsync<GenerationException>(chat.GetResponseAsync("hi", cancellationToken: Token));
        whole.Reason.ShouldBe(ErrorReason.UpstreamStalled);
        whole.PartialAnswer!.Text.ShouldBe("Hello");

        var received = new List<string>();
        var streamed = await Should.ThrowAsync<GenerationException>(async () =>
        {
            await foreach (var update in chat.GetStreamingResponseAsync("hi", cancellationToken: Token)) received.Add(update.Text);
        });
        streamed.StreamedTokens.ShouldBe(1u);
        received.ShouldBe(["Hello"]);
    }

    [Fact]
    public async Task Request_WithoutAPlaceInTheContract_MakesNoCall()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        var called = false;
        server.Service.Streams(Chunks.Answer());
        Spy(server, _ => called = true);
        using var chat = client.AsChatClient();
        var options = new ChatOptions { ConversationId = "kept by the server" };

        (await Should.ThrowAsync<GenerationException>(chat.GetResponseAsync("hi", options, Token))).Reason.ShouldBe(ErrorReason.InvalidRequest);
        await Should.ThrowAsync<GenerationException>(async () => await chat.GetStreamingResponseAsync("hi", options, Token).ToListAsync(Token));

        called.ShouldBeFalse();
    }

    [Fact]
    public async Task GetStreamingResponse_LeftEarly_IsCancelledAtTheServer()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));
        using var chat = client.AsChatClient();

        await foreach (var update in chat.GetStreamingResponseAsync("hi", cancellationToken: Token))
        {
            update.Text.ShouldBe("Hello");
            break;
        }

        await server.Service.CancelSeen.WaitAsync(Hang, Token);
    }

    [Fact]
    public async Task GetResponse_Cancelled_IsCancelledAtTheServer()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Spy(server, _ => entered.TrySetResult());
        using var chat = client.AsChatClient();
        using var cancel = new CancellationTokenSource();

        var response = chat.GetResponseAsync("hi", cancellationToken: cancel.Token);
        await entered.Task.WaitAsync(Hang, Token);
        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(response);
        await server.Service.CancelSeen.WaitAsync(Hang, Token);
    }

    [Fact]
    public async Task CallOptions_Headers_AreSent()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        string? header = null;
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            header = context.RequestHeaders.GetValue("x-team");
            await stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };
        using var chat = client.AsChatClient(callOptions: new GenerateCallOptions { Headers = new Metadata { { "x-team", "search" } } });

        var response = await chat.GetResponseAsync("hi", cancellationToken: Token);

        header.ShouldBe("search");
        response.Text.ShouldBeEmpty();
    }

    [Fact]
    public async Task GetService_TellsMetadataAndTheClient()
    {
        await using var client = new GrpcLlmClient(new Uri("http://127.0.0.1:50051"));
        using var chat = client.AsChatClient("tiny");

        var metadata = chat.GetRequiredService<ChatClientMetadata>();

        metadata.ProviderName.ShouldBe("grpcllm");
        metadata.ProviderUri.ShouldBe(new Uri("http://127.0.0.1:50051"));
        metadata.DefaultModelId.ShouldBe("tiny");
        chat.GetService<GrpcLlmClient>().ShouldBeSameAs(client);
        chat.GetService<IChatClient>().ShouldBeSameAs(chat);
        chat.GetService<string>().ShouldBeNull();
        chat.GetService<IChatClient>("key").ShouldBeNull();
    }

    [Fact]
    public async Task Dispose_ChatClient_LeavesTheClientToItsOwner()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.Streams(Chunks.Answer());

        client.AsChatClient().Dispose();

        using var chat = client.AsChatClient();
        (await chat.GetResponseAsync("hi", cancellationToken: Token)).Text.ShouldBe("Hello world");
    }

    internal static TokenChunk[] Numbered(params TokenChunk[] chunks)
    {
        for (var i = 0; i < chunks.Length; i++) chunks[i].Sequence = (ulong)i + 1;
        chunks[0].Started = new Started { RequestId = Chunks.RequestId, Model = "tiny", Backend = "b" };
        return chunks;
    }

    /// <summary>Looks at every request before the service answers it.</summary>
    private static void Spy(TestServer server, Action<GenerateRequest> look)
    {
        var answer = server.Service.OnGenerate!;
        server.Service.OnGenerate = (request, stream, context) =>
        {
            look(request);
            return answer(request, stream, context);
        };
    }
}
