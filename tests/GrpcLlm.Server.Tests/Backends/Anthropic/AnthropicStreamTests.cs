using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Anthropic;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Anthropic;

public sealed class AnthropicStreamTests
{
    private const string Start = """
        {"type":"message_start","message":{"id":"msg_1","model":"claude-x","usage":{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":2,"output_tokens":1}}}
        """;

    private const string Stop = """{"type":"message_stop"}""";

    public static TheoryData<string, FinishReason> Reasons => new()
    {
        { "end_turn", FinishReason.Stop },
        { "stop_sequence", FinishReason.StopSequence },
        { "max_tokens", FinishReason.Length },
        { "tool_use", FinishReason.ToolCalls },
        { "pause_turn", FinishReason.Other },
        { "refusal", FinishReason.ContentFilter },
        { "model_context_window_exceeded", FinishReason.ContextLength },
        { "something_new", FinishReason.Other },
    };

    [Theory]
    [MemberData(nameof(Reasons))]
    public void StopReason_IsMappedAndKept(string word, FinishReason reason)
    {
        var (_, ending) = Read(Start, Text(0, "a"), End(word), Stop);

        ending.ShouldNotBeNull().Reason.ShouldBe(reason);
        ending.RawReason.ShouldBe(word);
    }

    [Fact]
    public void Start_OpensWithModelIdAndInputTotal()
    {
        var (events, _) = Read(Start);

        var opening = events[0].Opening.ShouldNotBeNull();
        opening.Model.ShouldBe("claude-x");
        opening.ResponseId.ShouldBe("msg_1");
        opening.InputTokens.ShouldBe(17u);
        opening.TokenCountSource.ShouldBe(UsageSource.Estimated);
        events[1].Usage.ShouldBe(Reported(17, 1));
    }

    [Theory]
    [InlineData("""{"output_tokens":40}""", 17u, 40u)]
    [InlineData("""{"input_tokens":20,"output_tokens":40}""", 27u, 40u)]
    [InlineData("""{"input_tokens":0,"cache_read_input_tokens":0,"output_tokens":40}""", 17u, 40u)]
    [InlineData("""{"input_tokens":"many","output_tokens":-1}""", 17u, 1u)]
    public void Delta_UsageIsCumulativeAndCorrectsTheInput(string usage, uint input, uint output)
    {
        var (events, _) = Read(Start, Text(0, "a"), $$"""{"type":"message_delta","delta":{},"usage":{{usage}}}""");

        events[^1].Usage.ShouldBe(Reported(input, output));
    }

    [Fact]
    public void Delta_InputIsToldLate_IsTaken()
    {
        var (events, _) = Read(
            """{"type":"message_start","message":{"usage":{"input_tokens":0,"output_tokens":0}}}""",
            """{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":9,"output_tokens":3,"output_tokens_details":{"thinking_tokens":2}}}""");

        events[0].Opening!.InputTokens.ShouldBeNull();
        events[^1].Usage.ShouldBe(
            new Usage { InputTokens = 9, OutputTokens = 3, ReasoningTokens = 2, Source = UsageSource.Reported });
    }

    [Fact]
    public void OutputNeverTold_IsEstimatedByDeltas()
    {
        var (_, ending) = Read(Start, Text(0, "a"), Delta(0, "text_delta", "text", "b"), Delta(0, "text_delta", "text", "c"), Stop);

        var usage = ending.ShouldNotBeNull().Usage.ShouldNotBeNull();
        usage.OutputTokens.ShouldBe(3u);
        usage.Source.ShouldBe(UsageSource.Estimated);
        usage.InputSource.ShouldBe(UsageSource.Reported);
        ending.Reason.ShouldBe(FinishReason.Stop);
    }

    [Fact]
    public void Blocks_BecomePartsWithTheirSignatures()
    {
        var (events, ending) = Read(
            Start, Block(0, """{"type":"thinking","thinking":"","signature":""}"""), Delta(0, "thinking_delta", "thinking", "hm"),
            Delta(0, "signature_delta", "signature", "sig1"), Stopped(0), Block(1, """{"type":"redacted_thinking","data":"xyz"}"""),
            Stopped(1), Block(2, """{"type":"thinking","thinking":""}"""), Delta(2, "signature_delta", "signature", "sig2"), Stopped(2),
            Text(3, "hello"), Stopped(3), End("end_turn"), Stop);

        Told(events).ShouldBe(["0 hm", "0 signature", "1 signature", "2 signature", "3 hello"]);
        events.Where(static one => one.Kind == BackendEventKind.Signature).Select(static one => one.Signature).ShouldBe(
            [AnthropicSignature.OfThinking("sig1"), AnthropicSignature.OfRedacted("xyz"), AnthropicSignature.OfThinking("sig2")]);
        ending!.Usage.ShouldBeNull();
    }

    [Fact]
    public void ProvidersOwnWork_IsNoText()
    {
        var (events, ending) = Read(
            Start, Block(0, """{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"""),
            Delta(0, "input_json_delta", "partial_json", "{}"), Stopped(0),
            Block(1, """{"type":"web_search_tool_result","content":[{"text":"no"}]}"""), Stopped(1),
            Block(2, """{"type":"compaction","content":"no"}"""), Delta(2, "compaction_delta", "content", "no"),
            Delta(2, "text_delta", "text", "no"), Text(3, "yes"), Delta(3, "citations_delta", "citation", "no"),
            """{"type":"ping"}""", """{"type":"news","text":"no"}""", End("end_turn"), Stop);

        Told(events).ShouldBe(["0 yes"]);
        events.Count(static one => one.Kind == BackendEventKind.Alive).ShouldBe(2);
        ending!.Reason.ShouldBe(FinishReason.Stop);
    }

    [Fact]
    public void ToolUse_FragmentsStreamAndDoneComesWithTheNextBlock()
    {
        var (events, ending) = Read(
            Start, Tool(0, "c1", "one"), Delta(0, "input_json_delta", "partial_json", ""),
            Delta(0, "input_json_delta", "partial_json", "{\"a\":"), Delta(0, "input_json_delta", "partial_json", "1}"), Stopped(0),
            Tool(1, "c2", "two"), Stopped(1), End("tool_use"), Stop);

        Calls(events).ShouldBe(
            ["0 c1 one", "0 {\"a\":", "0 1}", "0 done", "1 c2 two", "1 done"]);
        ending!.Reason.ShouldBe(FinishReason.ToolCalls);
    }

    [Fact]
    public void ToolUse_EndTurn_IsToolCalls()
    {
        var (_, ending) = Read(Start, Tool(0, "c", "t"), Stopped(0), End("end_turn"), Stop);

        ending!.Reason.ShouldBe(FinishReason.ToolCalls);
        ending.RawReason.ShouldBe("end_turn");
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"a\":")]
    [InlineData("{\"a\":1}")]
    public void ToolUse_AnswerCutOff_LastIsNeverDone(string arguments)
    {
        var (events, ending) = Read(
            Start, Tool(0, "c1", "one"), Stopped(0), Tool(1, "c2", "two"), Delta(1, "input_json_delta", "partial_json", arguments),
            Stopped(1), End("max_tokens"), Stop);

        Calls(events).Where(static one => one.EndsWith("done", StringComparison.Ordinal)).ShouldBe(["0 done"]);
        ending!.Reason.ShouldBe(FinishReason.Length);
    }

    [Fact]
    public void ToolUse_ArgumentsWholeWithTheStart_AreNotLost()
    {
        var (events, _) = Read(
            Start, Block(0, """{"type":"tool_use","id":"c","name":"t","input":{"a":1}}"""), Stopped(0), End("tool_use"), Stop);

        Calls(events).ShouldBe(["0 c t", "0 {\"a\":1}", "0 done"]);
    }

    [Fact]
    public void ToolUse_InvalidArgumentsWithoutCut_IsMalformed() =>
        Should.Throw<BackendException>(() => Read(
            Start, Tool(0, "c", "t"), Delta(0, "input_json_delta", "partial_json", "[1"), Stopped(0), End("tool_use"), Stop))
            .Failure.ShouldBe(BackendFailure.Malformed);

    [Fact]
    public void SecondStart_IsMalformed() =>
        Should.Throw<BackendException>(() => Read(Start, Text(0, "a"), Start)).Failure.ShouldBe(BackendFailure.Malformed);

    [Theory]
    [InlineData("invalid_request_error", nameof(BackendFailure.Rejected))]
    [InlineData("authentication_error", nameof(BackendFailure.Misconfigured))]
    [InlineData("permission_error", nameof(BackendFailure.Misconfigured))]
    [InlineData("not_found_error", nameof(BackendFailure.Misconfigured))]
    [InlineData("billing_error", nameof(BackendFailure.Rejected))]
    [InlineData("request_too_large", nameof(BackendFailure.Rejected))]
    [InlineData("rate_limit_error", nameof(BackendFailure.RateLimited))]
    [InlineData("timeout_error", nameof(BackendFailure.Unavailable))]
    [InlineData("api_error", nameof(BackendFailure.Unavailable))]
    [InlineData("overloaded_error", nameof(BackendFailure.Unavailable))]
    [InlineData("unheard_of", nameof(BackendFailure.Unavailable))]
    public void Error_CountsAsTheStatusItNames(string type, string failure)
    {
        var exception = Should.Throw<BackendException>(() =>
            Read(Start, $$$"""{"type":"error","error":{"type":"{{{type}}}","message":"No."}}"""));

        exception.Failure.ShouldBe(BackendFailure.Failed);
        exception.BeforeFirstToken.ToString().ShouldBe(failure);
    }

    [Theory]
    [InlineData("message", """{"error":"No."}""")]
    [InlineData("message", """{"error":{"message":"No."}}""")]
    [InlineData("error", """{"message":"No."}""")]
    public void Error_OfSomebodyInBetween_IsAnErrorAllTheSame(string eventType, string data)
    {
        var exception = Should.Throw<BackendException>(() =>
            new AnthropicStream().Read(eventType, Encoding.UTF8.GetBytes(data), []));

        exception.BeforeFirstToken.ShouldBe(BackendFailure.Unavailable);
        exception.Message.ShouldContain("No.");
    }

    [Fact]
    public void TypeInTheEventsNameAlone_Counts()
    {
        var stream = new AnthropicStream();

        stream.Read("message_stop", "{}"u8, []);

        stream.IsOver.ShouldBeTrue();
        stream.Ending!.Reason.ShouldBe(FinishReason.Stop);
    }

    [Fact]
    public void Refusal_TellsItsCategory()
    {
        var (_, ending) = Read(
            Start, """{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","category":"Cyber"}}}""", Stop);

        ending!.ContentFilter.ShouldBe(new ContentFilter { Source = "anthropic", Categories = { "cyber" } });
    }

    [Fact]
    public void StopSequence_IsNamed()
    {
        var (_, ending) = Read(
            Start, Text(0, "a"), """{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END"}}""", Stop);

        ending!.StopSequence.ShouldBe("END");
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("""{"type":7}""")]
    [InlineData("""{"type":"message_start","message":[]}""")]
    [InlineData("""{"type":"content_block_start","index":"x","content_block":7}""")]
    [InlineData("""{"type":"content_block_delta","index":-1,"delta":{"type":"text_delta","text":"a"}}""")]
    [InlineData("""{"type":"content_block_delta","index":0,"delta":"a"}""")]
    [InlineData("""{"type":"content_block_stop","index":99}""")]
    [InlineData("""{"type":"message_delta","delta":7,"usage":[]}""")]
    [InlineData("""{"type":"message_delta","delta":{"stop_reason":7,"stop_sequence":{}},"usage":{"output_tokens":{}}}""")]
    public void WrongTypes_AreSkipped(string data)
    {
        var (events, ending) = Read(data);

        events.ShouldNotContain(static one => one.Kind == BackendEventKind.Text);
        ending.ShouldBeNull();
    }

    [Fact]
    public void ToolUse_WithoutAName_IsMalformed() => Should.Throw<BackendException>(
        static () => Read("""{"type":"content_block_start","content_block":{"type":"tool_use","id":{},"name":[],"input":7}}"""))
        .Failure.ShouldBe(BackendFailure.Malformed);

    [Fact]
    public void NoJson_Throws() => Should.Throw<JsonException>(() => Read("<html>"));

    [Fact]
    public void NeitherReasonNorStop_HasNoEnding() => Read(Start, Text(0, "a"), Stopped(0)).Ending.ShouldBeNull();

    private static (List<BackendEvent> Events, BackendEnding? Ending) Read(params string[] data)
    {
        var stream = new AnthropicStream();
        var events = new List<BackendEvent>();
        foreach (var one in data) stream.Read("message", Encoding.UTF8.GetBytes(one), events);
        stream.IsOver.ShouldBe(data[^1] == Stop);
        stream.Complete(events);
        return (events, stream.Ending);
    }

    private static IEnumerable<string> Told(IEnumerable<BackendEvent> events) => events
        .Where(static one => one.IsDelta || one.Kind == BackendEventKind.Signature)
        .Select(static one => $"{one.PartIndex} {(one.IsDelta ? one.Text : "signature")}");

    private static IEnumerable<string> Calls(IEnumerable<BackendEvent> events) => events
        .Where(static one => one.ToolCall is not null).Select(static one => one.ToolCall!)
        .Select(static call => $"{call.Index} {(call.Done ? "done" : $"{call.Id} {call.Name}{call.ArgumentsFragment}".Trim())}");

    private static Usage Reported(uint input, uint output) => new()
    {
        InputTokens = input,
        OutputTokens = output,
        CachedInputTokens = 5,
        CacheWriteInputTokens = 2,
        Source = UsageSource.Reported,
    };

    private static string Block(int index, string content) =>
        $$"""{"type":"content_block_start","index":{{index}},"content_block":{{content}}}""";

    private static string Text(int index, string text) => Block(index, $$"""{"type":"text","text":"{{text}}"}""");

    private static string Tool(int index, string id, string name) =>
        Block(index, $$$"""{"type":"tool_use","id":"{{{id}}}","name":"{{{name}}}","input":{}}""");

    private static string Delta(int index, string type, string member, string value) =>
        $$$"""{"type":"content_block_delta","index":{{{index}}},"delta":{"type":"{{{type}}}","{{{member}}}":{{{JsonSerializer.Serialize(value)}}}}}""";

    private static string Stopped(int index) => $$"""{"type":"content_block_stop","index":{{index}}}""";

    private static string End(string reason) =>
        $$$"""{"type":"message_delta","delta":{"stop_reason":"{{{reason}}}"},"usage":{"output_tokens":9}}""";
}
