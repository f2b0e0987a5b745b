using System.Text;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Gemini;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Gemini;

/// <summary>Events of one answer, parsed. JSON is written with single quotes here.</summary>
public sealed class GeminiStreamTests
{
    private readonly List<BackendEvent> _output = [];
    private GeminiStream _stream = new(null);

    [Fact]
    public void Read_FirstEvent_OpensWithWhatIsKnown()
    {
        Read("{'candidates': [{'content': {'role': 'model', 'parts': [{'text': 'Hi'}]}}], 'modelVersion': 'gemini-x', 'responseId': 'r1', "
            + "'usageMetadata': {'promptTokenCount': 7, 'totalTokenCount': 7}}");

        _output.Select(static one => one.Kind).ShouldBe([BackendEventKind.Opened, BackendEventKind.Text, BackendEventKind.Usage]);
        _output[0].Opening.ShouldBe(new BackendOpening { Model = "gemini-x", ResponseId = "r1", InputTokens = 7 });
    }

    [Fact]
    public void Read_ThoughtsAndText_AreParts()
    {
        Parts("{'text': 'r1', 'thought': true}", "{'text': 'r2', 'thought': true}, {'text': 'a'}", "{'text': 'b'}", "{'text': 'r3', 'thought': true}");

        Deltas.ShouldBe(["Reasoning:r1@0", "Reasoning:r2@0", "Text:a@1", "Text:b@1", "Reasoning:r3@2"]);
    }

    // Parts as they come, and what is told: deltas and signatures with their parts.
    public static TheoryData<string, string[]> Signatures => new()
    {
        { "{'text': 'a'}, {'text': '', 'thoughtSignature': 's'}", ["Text:a@0", "s@0"] },
        { "{'text': 'a'}, {'thoughtSignature': 's'}", ["Text:a@0", "s@0"] },
        { "{'text': 'r', 'thought': true}, {'text': '', 'thought': true, 'thoughtSignature': 's'}, {'text': 'a'}", ["Reasoning:r@0", "s@0", "Text:a@1"] },
        { "{'text': 'a', 'thoughtSignature': 's'}, {'text': 'b'}", ["Text:a@0", "s@0", "Text:b@1"] },
        { "{'text': 'a'}, {'text': 'b', 'thoughtSignature': 's'}", ["Text:a@0", "Text:b@1", "s@1"] },
        { "{'text': 'a', 'thoughtSignature': 's'}, {'text': '', 'thoughtSignature': 't'}", ["Text:a@0", "s@0", "t@1"] },
        { "{'text': '', 'thoughtSignature': 's'}, {'text': 'a'}", ["s@0", "Text:a@1"] },
        { "{'functionCall': {'name': 'n'}, 'thoughtSignature': 's'}, {'functionCall': {'name': 'n'}}", ["ToolCall:@0", "ToolCall:@0", "s@0", "ToolCall:@1", "ToolCall:@1"] },
        { "{'text': 'a'}, {'executableCode': {'code': 'x'}, 'thoughtSignature': 's'}", ["Text:a@0"] },
    };

    [Theory]
    [MemberData(nameof(Signatures))]
    public void Read_Signature_GoesWithItsPart(string parts, string[] expected)
    {
        Parts(parts);

        _output.Where(static one => one.IsDelta || one.Kind == BackendEventKind.Signature)
            .Select(static one => one.IsDelta
                ? $"{one.Kind}:{one.Text}@{one.PartIndex}" : $"{SignatureEnvelope.Unwrap("gemini", one.Signature)}@{one.PartIndex}")
            .ShouldBe(expected);
    }

    [Fact]
    public void Read_FunctionCalls_AreWholeAndDone()
    {
        Parts("{'functionCall': {'id': 'c1', 'name': 'add', 'args': {'a': 1.0}}}", "{'functionCall': {'name': 'now'}}");
        Read("{'candidates': [{'finishReason': 'STOP'}]}");
        _stream.Complete(_output);

        Calls.Select(static one => (one.Index, one.Name, one.ArgumentsFragment, one.Done)).ShouldBe([
            (0u, "add", "{\"a\": 1.0}", false), (0u, "", "", true), (1u, "now", "", false), (1u, "", "", true),
        ]);
        Calls[0].Id.ShouldBe("c1");
        Calls[2].Id.Length.ShouldBe(9);
        _stream.Ending!.Reason.ShouldBe(FinishReason.ToolCalls);
        _stream.Ending.RawReason.ShouldBe("STOP");
    }

    [Fact]
    public void Read_ArgumentsInPieces_AreStreamedAsOneObject()
    {
        Parts(
            "{'functionCall': {'name': 'weather', 'willContinue': true}, 'thoughtSignature': 's'}",
            "{'functionCall': {'partialArgs': [{'jsonPath': '$.city', 'stringValue': 'New ', 'willContinue': true}], 'willContinue': true}}",
            "{'functionCall': {'partialArgs': [{'jsonPath': '$.city', 'stringValue': 'Delhi'}, {'jsonPath': '$.days', 'numberValue': 3}], 'willContinue': true}}",
            "{'functionCall': {}}",
            "{'functionCall': {'name': 'now', 'args': {}}}");

        Calls.Select(static one => (one.Index, one.Name, one.ArgumentsFragment, one.Done)).ShouldBe([
            (0u, "weather", "", false), (0u, "", "{\"city\":\"New ", false), (0u, "", "Delhi\",\"days\":3", false), (0u, "", "}", false),
            (0u, "", "", true), (1u, "now", "{}", false), (1u, "", "", true),
        ]);
    }

    [Theory]
    [InlineData("MAX_TOKENS", FinishReason.Length)]
    [InlineData("SAFETY", FinishReason.ContentFilter)]
    public void Complete_CallCutOff_IsNotDone(string word, FinishReason expected)
    {
        Parts("{'functionCall': {'name': 'n', 'partialArgs': [{'jsonPath': '$.a', 'stringValue': 'x', 'willContinue': true}], 'willContinue': true}}");
        Read($"{{'candidates': [{{'finishReason': '{word}'}}]}}");
        _stream.Complete(_output);

        Calls.ShouldAllBe(static one => !one.Done);
        _stream.Ending!.Reason.ShouldBe(expected);
    }

    [Fact]
    public void Complete_CallNeverFinishedWithoutACut_IsMalformed()
    {
        Parts("{'functionCall': {'name': 'n', 'partialArgs': [{'jsonPath': '$.a', 'numberValue': 1}], 'willContinue': true}}");
        Read("{'candidates': [{'finishReason': 'STOP'}]}");

        Should.Throw<BackendException>(() => _stream.Complete(_output)).Failure.ShouldBe(BackendFailure.Malformed);
    }

    [Theory]
    [InlineData("STOP", FinishReason.Stop)]
    [InlineData("MAX_TOKENS", FinishReason.Length)]
    [InlineData("SAFETY", FinishReason.ContentFilter)]
    [InlineData("RECITATION", FinishReason.ContentFilter)]
    [InlineData("BLOCKLIST", FinishReason.ContentFilter)]
    [InlineData("PROHIBITED_CONTENT", FinishReason.ContentFilter)]
    [InlineData("SPII", FinishReason.ContentFilter)]
    [InlineData("IMAGE_SAFETY", FinishReason.ContentFilter)]
    [InlineData("MALFORMED_FUNCTION_CALL", FinishReason.Other)]
    [InlineData("LANGUAGE", FinishReason.Other)]
    [InlineData("OTHER", FinishReason.Other)]
    [InlineData("TIRED", FinishReason.Other)]
    public void Read_FinishReason_IsMappedWithItsWord(string word, FinishReason expected)
    {
        Read($"{{'candidates': [{{'content': {{'parts': [{{'text': 'a'}}]}}, 'finishReason': '{word}'}}]}}");

        _stream.Ending!.Reason.ShouldBe(expected);
        _stream.Ending.RawReason.ShouldBe(word);
        _stream.IsOver.ShouldBeFalse();
        if (expected == FinishReason.ContentFilter)
            _stream.Ending.ContentFilter.ShouldBe(new ContentFilter { Stage = FilterStage.Output, Source = "gemini", Categories = { word.ToLowerInvariant() } });
        else _stream.Ending.ContentFilter.ShouldBeNull();
    }

    [Fact]
    public void Read_BlockedPrompt_IsContentFilterOfTheInput()
    {
        Read("{'promptFeedback': {'blockReason': 'SAFETY', 'safetyRatings': [{'category': 'HARM_CATEGORY_HARASSMENT', 'probability': 'HIGH', 'blocked': true}, "
            + "{'category': 'HARM_CATEGORY_HATE_SPEECH'}]}, 'usageMetadata': {'promptTokenCount': 9, 'totalTokenCount': 9}}");
        _stream.Complete(_output);

        Deltas.ShouldBeEmpty();
        _stream.Ending!.Reason.ShouldBe(FinishReason.ContentFilter);
        _stream.Ending.RawReason.ShouldBe("SAFETY");
        _stream.Ending.ContentFilter.ShouldBe(new ContentFilter { Stage = FilterStage.Input, Source = "gemini", Categories = { "harassment" } });
        _stream.Ending.Usage!.InputTokens.ShouldBe(9u);
    }

    // The last usageMetadata of an answer of two texts, and the usage it makes.
    public static TheoryData<string, Usage> Usages => new()
    {
        {
            "{'promptTokenCount': 10, 'cachedContentTokenCount': 4, 'candidatesTokenCount': 5, 'thoughtsTokenCount': 20, 'totalTokenCount': 35}",
            new Usage { InputTokens = 10, CachedInputTokens = 4, OutputTokens = 25, ReasoningTokens = 20, Source = UsageSource.Reported }
        },
        {
            "{'promptTokenCount': 10, 'toolUsePromptTokenCount': 6, 'candidatesTokenCount': 5, 'totalTokenCount': 21}",
            new Usage { InputTokens = 16, OutputTokens = 5, Source = UsageSource.Reported }
        },
        {
            "{'promptTokenCount': 10, 'thoughtsTokenCount': 20, 'totalTokenCount': 38}",
            new Usage { InputTokens = 10, OutputTokens = 28, ReasoningTokens = 20, Source = UsageSource.Reported }
        },
        {
            "{'promptTokenCount': 10, 'thoughtsTokenCount': 20, 'totalTokenCount': 30}",
            new Usage { InputTokens = 10, OutputTokens = 22, ReasoningTokens = 20, Source = UsageSource.Estimated, InputSource = UsageSource.Reported }
        },
        {
            "{'promptTokenCount': 4294967295, 'toolUsePromptTokenCount': 2, 'candidatesTokenCount': 4294967295, 'thoughtsTokenCount': 2}",
            new Usage { InputTokens = uint.MaxValue, OutputTokens = uint.MaxValue, ReasoningTokens = 2, Source = UsageSource.Reported }
        },
    };

    [Theory]
    [MemberData(nameof(Usages))]
    public void Complete_Usage_IncludesItsSubsets(string last, Usage expected)
    {
        Parts("{'text': 'a'}", "{'text': 'b'}");
        Read($"{{'candidates': [{{'finishReason': 'STOP'}}], 'usageMetadata': {last}}}");
        _stream.Complete(_output);

        _stream.Ending!.Usage.ShouldBe(expected);
    }

    [Fact]
    public void Read_Logprobs_TellWhatWasAskedFor()
    {
        const string Event = "{'candidates': [{'content': {'parts': [{'text': 'hi'}]}, 'logprobsResult': {'chosenCandidates': [{'token': 'h', 'tokenId': 5, 'logProbability': -0.5}, "
            + "{'token': 'i', 'tokenId': 6, 'logProbability': -1}], 'topCandidates': [{'candidates': [{'token': 'h', 'tokenId': 5, 'logProbability': -0.5}]}]}}]}";
        _stream = new GeminiStream(new OutputOptions { TopLogprobs = 1 });
        Read(Event);
        var withLogprobs = _output[^1];
        _stream = new GeminiStream(new OutputOptions { TokenIds = true });
        Read(Event);
        var withIds = _output[^1];

        withLogprobs.TokenCount.ShouldBe(2u);
        withLogprobs.Tokens!.Select(static one => (one.RawBytes.ToStringUtf8(), one.Logprob, one.HasId, one.Alternatives.Count))
            .ShouldBe([("h", -0.5f, false, 1), ("i", -1f, false, 0)]);
        withIds.Tokens!.Select(static one => (one.Id, one.HasLogprob, one.Alternatives.Count)).ShouldBe([(5u, false, 0), (6u, false, 0)]);
    }

    [Theory]
    [InlineData("{'error': {'code': 503, 'message': 'overloaded', 'status': 'UNAVAILABLE'}}", nameof(BackendFailure.Unavailable))]
    [InlineData("[{'error': {'code': 429, 'message': 'slow down'}}]", nameof(BackendFailure.RateLimited))]
    [InlineData("{'error': 'what'}", nameof(BackendFailure.Unavailable))]
    public void Read_Error_CountsAsItsStatusBeforeTheFirstToken(string data, string expected)
    {
        var failure = Should.Throw<BackendException>(() => Read(data));

        failure.Failure.ShouldBe(BackendFailure.Failed);
        failure.BeforeFirstToken.ToString().ShouldBe(expected);
    }

    [Theory]
    [InlineData("7")]
    [InlineData("'text'")]
    [InlineData("[3]")]
    public void Read_NoObject_IsMalformed(string data) =>
        Should.Throw<BackendException>(() => Read(data)).Failure.ShouldBe(BackendFailure.Malformed);

    [Theory]
    [InlineData("{}")]
    [InlineData("{'candidates': 4, 'promptFeedback': 'x', 'usageMetadata': []}")]
    [InlineData("{'candidates': [3, null, {'content': 'x', 'finishReason': 5}], 'error': null}")]
    [InlineData("{'candidates': [{'content': {'role': 'model'}, 'finishReason': 'FINISH_REASON_UNSPECIFIED', 'groundingMetadata': {}}]}")]
    [InlineData("{'candidates': [{'content': {'parts': [{'text': ''}, {'text': 5}, 7, null, {'functionCall': 'x'}, {'functionCall': {}}]}}]}")]
    [InlineData("{'candidates': [{'content': {'parts': [{'executableCode': {'code': 'x'}}, {'codeExecutionResult': {}}, {'toolCall': {'name': 'n'}}, {'inlineData': {}}]}}]}")]
    [InlineData("{'candidates': [{'index': 1, 'content': {'parts': [{'text': 'other'}]}}]}")]
    public void Read_NothingToSay_SaysNothing(string data)
    {
        Read(data);

        _output.ShouldNotContain(static one => one.IsDelta || one.Kind == BackendEventKind.Signature);
        _stream.Ending.ShouldBeNull();
    }

    private IEnumerable<string> Deltas =>
        _output.Where(static one => one.IsDelta && one.ToolCall is null).Select(static one => $"{one.Kind}:{one.Text}@{one.PartIndex}");

    private List<ToolCallDelta> Calls => [.. _output.Select(static one => one.ToolCall).OfType<ToolCallDelta>()];

    private void Parts(params string[] events)
    {
        foreach (var one in events) Read($"{{'candidates': [{{'content': {{'parts': [{one}]}}}}]}}");
    }

    private void Read(string data) => _stream.Read("message", Encoding.UTF8.GetBytes(data.Replace('\'', '"')), _output);
}
