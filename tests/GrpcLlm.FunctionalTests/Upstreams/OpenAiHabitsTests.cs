using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>Streams in the habits of the providers that speak OpenAI's format, from socket to socket.</summary>
public sealed class OpenAiHabitsTests
{
    [Fact]
    public async Task OpenAi_WholeAnswer_ArrivesWithAllThatIsKnown()
    {
        var answer = await AnswerAsync(
            """{"id":"chatcmpl-1","model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}""",
            Text("Hello"), Text(" there"), Stop,
            """{"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":6}}}""",
            "[DONE]");

        answer.Text.ShouldBe("Hello there");
        answer.Chunks[0].Started.BackendModel.ShouldBe("gpt-4o-mini-2024-07-18");
        answer.Finish.BackendResponseId.ShouldBe("chatcmpl-1");
        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
        answer.Finish.StreamedTokens.ShouldBe(2u);
        answer.Finish.Usage.ShouldBe(new Usage
        {
            InputTokens = 19, CachedInputTokens = 8, OutputTokens = 10, ReasoningTokens = 6, Source = UsageSource.Reported,
        });
    }

    [Fact]
    public async Task OpenAi_Refusal_IsApartFromText()
    {
        var answer = await AnswerAsync("""{"choices":[{"delta":{"refusal":"I cannot."}}]}""", Stop, "[DONE]");

        answer.Chunks[0].Refusal.ShouldBe("I cannot.");
        answer.Text.ShouldBeEmpty();
    }

    [Fact]
    public async Task OpenAi_EndsWithoutAnyToken_IsOneMessage()
    {
        var answer = await AnswerAsync("""{"id":"r","model":"x","choices":[{"delta":{"role":"assistant","content":""}}]}""", Stop, "[DONE]");

        var chunk = answer.Chunks.ShouldHaveSingleItem();
        chunk.TokenCount.ShouldBe(0u);
        chunk.Started.BackendModel.ShouldBe("x");
        chunk.Finish.Reason.ShouldBe(FinishReason.Stop);
    }

    [Fact]
    public async Task UsageNeverTold_IsEstimated()
    {
        var answer = await AnswerAsync(Text("a"), Text("b"), Stop, "[DONE]");

        answer.Finish.Usage.OutputTokens.ShouldBe(2u);
        answer.Finish.Usage.Source.ShouldBe(UsageSource.Estimated);
    }

    [Fact]
    public async Task OpenRouter_CommentsAndReasoningTwice_ReasoningCountsOnce()
    {
        var comments = string.Concat(Enumerable.Repeat(": OPENROUTER PROCESSING\n\n", 40));
        await using var upstream = TestUpstream.Of(comments + Sse(
            """{"choices":[{"delta":{"content":"","reasoning":"think","reasoning_details":[{"type":"reasoning.text","text":"think"}]}}]}""",
            Text("done"), Stop, "[DONE]"));
        await using var server = await StartAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Chunks[0].Reasoning.ShouldBe("think");
        answer.Chunks.Count(chunk => chunk.DeltaCase == TokenChunk.DeltaOneofCase.Reasoning).ShouldBe(1);
        answer.Chunks[1].PartIndex.ShouldBe(1u);
        answer.Text.ShouldBe("done");
    }

    [Fact]
    public async Task OpenRouter_ErrorBesideChoices_DeliversWhatStandsThereAndFails()
    {
        await using var upstream = TestUpstream.Of(Sse(
            Text("a"),
            """{"error":{"code":502,"message":"Provider disconnected"},"choices":[{"delta":{"content":""},"finish_reason":"error"}],"usage":{"prompt_tokens":3,"completion_tokens":9}}"""));
        await using var server = await StartAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("a");
        answer.Reason.ShouldBe("UPSTREAM_FAILED");
        answer.Status.Detail.ShouldContain("Provider disconnected");
        answer.Summary.Usage.InputTokens.ShouldBe(3u);
        answer.Summary.Usage.OutputTokens.ShouldBe(9u);
    }

    [Fact]
    public async Task Mistral_ListsOfContents_AreReasoningAndText()
    {
        var answer = await AnswerAsync(
            """{"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}}]}""",
            """{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"yes"}]}}]}""", Text("!"), Stop, "[DONE]");

        answer.Chunks[0].Reasoning.ShouldBe("hm");
        answer.Text.ShouldBe("yes!");
    }

    [Fact]
    public async Task Groq_UsageInItsOwnPlace_IsReportedAndItsToolsAreItsOwn()
    {
        var answer = await AnswerAsync(
            """{"choices":[{"delta":{"content":"a","executed_tools":[{"index":0,"type":"search","arguments":"{}"}]}}],"x_groq":{"id":"req"}}""",
            """{"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":5,"completion_tokens":6,"queue_time":0.1}}}""",
            "[DONE]");

        answer.Finish.Usage.InputTokens.ShouldBe(5u);
        answer.Finish.Usage.OutputTokens.ShouldBe(6u);
        answer.Chunks.ShouldAllBe(chunk => chunk.ToolCall == null);
    }

    [Fact]
    public async Task Groq_ErrorEventAfterText_Fails()
    {
        await using var upstream = TestUpstream.Of(
            Sse(Text("a")) + "event: error\ndata: {\"error\":{\"message\":\"Tool choice is none\",\"status_code\":400}}\n\ndata: [DONE]\n\n");
        await using var server = await StartAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("a");
        answer.Reason.ShouldBe("UPSTREAM_FAILED");
        answer.Status.Detail.ShouldContain("Tool choice is none");
    }

    [Fact]
    public async Task Snowflake_NoFinishReason_IsComplete()
    {
        var answer = await AnswerAsync(Text("a"), """{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}""", "[DONE]");

        answer.Text.ShouldBe("a");
        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
        answer.Finish.BackendFinishReason.ShouldBeEmpty();
    }

    [Fact]
    public async Task Azure_FiltersFirst_SayNothing()
    {
        var answer = await AnswerAsync(
            """{"choices":[],"id":"","model":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false}}}]}""",
            """{"id":"r","model":"gpt","choices":[{"content_filter_results":{},"delta":{"content":"a"}}]}""",
            """{"choices":[{"content_filter_results":{"violence":{"filtered":true,"severity":"high"}},"delta":{},"finish_reason":"content_filter"}]}""",
            "[DONE]");

        answer.Chunks[0].Text.ShouldBe("a");
        answer.Chunks[0].Started.BackendModel.ShouldBe("gpt");
        answer.Finish.Reason.ShouldBe(FinishReason.ContentFilter);
        answer.Finish.ContentFilter.Categories.ShouldBe(["violence"]);
    }

    [Fact]
    public async Task HuggingFace_TextBesideDelta_CountsOnce() => (await AnswerAsync(
        """{"choices":[{"delta":{"content":"a"},"text":"a"}]}""", """{"choices":[{"delta":{"content":"b"},"text":"b"}]}""", Stop))
        .Text.ShouldBe("ab");

    [Fact]
    public async Task Perplexity_MessageBesideDelta_CountsOnce() => (await AnswerAsync(
        """{"choices":[{"delta":{"content":"a"},"message":{"content":"a"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}""",
        """{"choices":[{"delta":{"content":"b"},"message":{"content":"ab"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"""))
        .Finish.Usage.OutputTokens.ShouldBe(2u);

    [Fact]
    public async Task Moonshot_UsageInTheChoice_IsReported() => (await AnswerAsync(
        Text("a"), """{"choices":[{"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":4,"completion_tokens":1}}]}""", "[DONE]"))
        .Finish.Usage.InputTokens.ShouldBe(4u);

    [Fact]
    public async Task FinishReasonNobodyKnows_IsOtherWithItsWord()
    {
        var answer = await AnswerAsync(Text("a"), """{"choices":[{"delta":{},"finish_reason":"tired"}]}""", "[DONE]");

        answer.Finish.Reason.ShouldBe(FinishReason.Other);
        answer.Finish.BackendFinishReason.ShouldBe("tired");
        answer.Summary.BackendFinishReason.ShouldBe("tired");
    }

    [Fact]
    public async Task ToolCalls_Interleaved_AreStreamedAsTheyArrive()
    {
        var answer = await AnswerAsync(
            """{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}]}""",
            """{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","type":"tool","function":{"name":"g","arguments":{"x":1}}}]}}]}""",
            """{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"y\":"}}]}}]}""",
            """{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"2}"}}]}}]}""",
            """{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}""", "[DONE]");

        var calls = answer.Chunks.Select(chunk => chunk.ToolCall).Where(call => call is not null).ToList();
        string.Concat(calls.Where(call => call.Index == 0).Select(call => call.ArgumentsFragment)).ShouldBe("""{"y":2}""");
        string.Concat(calls.Where(call => call.Index == 1).Select(call => call.ArgumentsFragment)).ShouldBe("""{"x":1}""");
        calls.Where(call => call.Done).Select(call => call.Index).ShouldBe([0u, 1u], ignoreOrder: true);
        calls.Select(call => call.Id).Where(id => id.Length > 0).ShouldBe(["a", "b"]);
        answer.Finish.Reason.ShouldBe(FinishReason.ToolCalls);
    }

    [Fact]
    public async Task StopSequence_IsMatchedHereAndTheUpstreamLetGo()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Sse(Text("one tw"), Text("o three")));
            await call.SilenceAsync();
        });
        await using var server = await StartAsync(upstream);
        var request = Prompt;
        request.Limits = new GenerationLimits { StopSequences = { "two" } };

        var answer = await Answer.OfAsync(server, request);

        answer.Text.ShouldBe("one ");
        answer.Finish.Reason.ShouldBe(FinishReason.StopSequence);
        await (await upstream.NextCallAsync()).Closed.WaitAsync(TestContext.Current.CancellationToken);
    }
}
