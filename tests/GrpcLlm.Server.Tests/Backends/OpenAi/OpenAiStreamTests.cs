using System.Text;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.OpenAi;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.OpenAi;

/// <summary>Events of one answer, parsed. JSON is written with single quotes here.</summary>
public sealed class OpenAiStreamTests
{
    [Fact]
    public void Read_FirstDelta_OpensWithWhatIsKnown()
    {
        var run = Run.Of(
            new GenerateRequest { Sampling = new SamplingOptions { Seed = 7 } },
            "{'id': '', 'model': '', 'choices': [], 'prompt_filter_results': [{}]}",
            "{'id': 'r1', 'model': 'gpt-x', 'choices': [{'delta': {'role': 'assistant', 'content': ''}}], 'usage': {'prompt_tokens': 3, 'completion_tokens': 0}}",
            "{'id': 'r1', 'model': 'gpt-x', 'choices': [{'delta': {'content': 'Hi'}}]}");

        run.Output.Select(one => one.Kind).ShouldBe([BackendEventKind.Usage, BackendEventKind.Opened, BackendEventKind.Text]);
        var opening = run.Output[1].Opening.ShouldNotBeNull();
        opening.Model.ShouldBe("gpt-x");
        opening.ResponseId.ShouldBe("r1");
        opening.InputTokens.ShouldBe(3u);
        opening.Seed.ShouldBe(7);
        opening.TokenCountSource.ShouldBe(UsageSource.Estimated);
    }

    [Theory]
    [InlineData("stop", FinishReason.Stop)]
    [InlineData("length", FinishReason.Length)]
    [InlineData("tool_calls", FinishReason.ToolCalls)]
    [InlineData("function_call", FinishReason.ToolCalls)]
    [InlineData("content_filter", FinishReason.ContentFilter)]
    [InlineData("model_length", FinishReason.ContextLength)]
    [InlineData("insufficient_system_resource", FinishReason.Other)]
    [InlineData("STOP", FinishReason.Other)]
    public void Read_FinishReason_IsMappedWithItsWord(string word, FinishReason expected)
    {
        var run = Run.Of(null, $"{{'choices': [{{'delta': {{'content': 'a'}}, 'finish_reason': '{word}'}}]}}").Complete();

        run.Ending.ShouldNotBeNull().Reason.ShouldBe(expected);
        run.Ending.RawReason.ShouldBe(word);
    }

    [Fact]
    public void Read_FilteredAnswer_NamesTheCategories()
    {
        var run = Run.Of(
            null,
            "{'choices': [{'delta': {}, 'finish_reason': 'content_filter', 'content_filter_results': "
            + "{'Hate': {'filtered': true}, 'violence': {'filtered': false}, 'x': 1}}]}").Complete();

        var filter = run.Ending!.ContentFilter.ShouldNotBeNull();
        filter.Stage.ShouldBe(FilterStage.Output);
        filter.Categories.ShouldBe(["hate"]);
    }

    [Theory]
    [InlineData("{'reasoning_content': 'r', 'reasoning': 'r'}")]
    [InlineData("{'reasoning': 'r', 'reasoning_details': [{'type': 'reasoning.text', 'text': 'r'}]}")]
    [InlineData("{'reasoning_details': [{'type': 'reasoning.summary', 'summary': 'r'}, {'type': 'reasoning.encrypted', 'data': 'x'}]}")]
    [InlineData("{'content': [{'type': 'thinking', 'thinking': [{'type': 'text', 'text': 'r'}]}, {'type': 'reference', 'reference_ids': [1]}]}")]
    [InlineData("{'content': [{'type': 'thinking', 'thinking': 'r'}]}")]
    public void Read_ReasoningInAnyPlace_CountsOnce(string delta)
    {
        var run = Run.Of(null, $"{{'choices': [{{'delta': {delta}}}]}}");

        run.Deltas.ShouldBe(["Reasoning:r@0"]);
        run.Output[^1].TokenCount.ShouldBe(1u);
    }

    [Fact]
    public void Read_KindsOfContent_AreParts()
    {
        var run = Run.Of(
            null,
            "{'choices': [{'delta': {'reasoning': 'r1'}}]}",
            "{'choices': [{'delta': {'reasoning': 'r2'}}]}",
            "{'choices': [{'delta': {'content': [{'type': 'text', 'text': 't'}]}}]}",
            "{'choices': [{'delta': {'refusal': 'n'}}]}",
            "{'choices': [{'delta': {'content': 'u'}}]}");

        run.Deltas.ShouldBe(["Reasoning:r1@0", "Reasoning:r2@0", "Text:t@1", "Refusal:n@2", "Text:u@3"]);
    }

    [Theory]
    [InlineData("{'choices': [{'delta': {'content': 'a'}, 'message': {'content': 'whole'}, 'text': 'a'}]}")]
    [InlineData("{'choices': [{'index': 1, 'delta': {'content': 'other'}}, {'index': 0, 'delta': {'content': 'a'}}]}")]
    [InlineData("{'choices': [{'message': {'role': 'assistant', 'content': 'a'}}]}")]
    [InlineData("{'choices': [{'delta': null, 'text': 'a'}]}")]
    [InlineData("{'choices': [{'delta': {'content': 'a', 'executed_tools': [{'name': 'search'}]}}], 'unknown': {'x': []}}")]
    public void Read_SameTextInSeveralPlaces_CountsOnce(string chunk) => Run.Of(null, chunk).Deltas.ShouldBe(["Text:a@0"]);

    [Theory]
    [InlineData("{'choices': [{'delta': {'role': 'assistant'}}]}")]
    [InlineData("{'choices': [{'delta': {'content': '', 'reasoning': null, 'tool_calls': null}, 'finish_reason': null}]}")]
    [InlineData("{'choices': [{'delta': {'content': 5, 'refusal': [], 'tool_calls': 'x', 'function_call': 1}, 'logprobs': 3}]}")]
    [InlineData("{'choices': {'delta': 1}, 'usage': 7, 'x_groq': [], 'error': null}")]
    [InlineData("{'choices': [3, null, []], 'id': 4, 'model': {}}")]
    [InlineData("{'type': 'ping'}")]
    public void Read_NothingToSay_SaysNothing(string chunk) => Run.Of(null, chunk).Output.ShouldBeEmpty();

    [Theory]
    [InlineData("7")]
    [InlineData("[1, 2]")]
    [InlineData("'text'")]
    public void Read_NoObject_IsMalformed(string chunk) =>
        Should.Throw<BackendException>(() => Run.Of(null, chunk)).Failure.ShouldBe(BackendFailure.Malformed);

    [Fact]
    public void Read_UnknownEventType_IsSkippedWhateverItHolds()
    {
        var run = new Run(null);

        run.Read("keep alive", "ping");
        run.Read("{'queue': 3}", "status");
        run.Read("{'choices': [{'delta': {'content': 'a'}}]}", "chunk");

        run.Deltas.ShouldBe(["Text:a@0"]);
    }

    [Fact]
    public void Complete_DoneWithoutAReason_IsStop()
    {
        Run.Of(null, "{'choices': [{'delta': {'content': 'a'}}]}", "[DONE]").Complete().Ending!.Reason.ShouldBe(FinishReason.Stop);
        Run.Of(null, "{'choices': [{'delta': {'content': 'a'}}]}").Complete().Ending.ShouldBeNull();
        Run.Of(null, "[DONE]").Complete().Ending.ShouldBeNull();
    }

    [Fact]
    public void Complete_NoToken_StillOpens()
    {
        var run = Run.Of(null, "{'id': 'r', 'model': 'm', 'choices': [{'delta': {}, 'finish_reason': 'stop'}]}").Complete();

        run.Output.ShouldHaveSingleItem().Opening!.ResponseId.ShouldBe("r");
    }

    [Fact]
    public void Read_Logprobs_BecomeTokens()
    {
        var run = Run.Of(
            new GenerateRequest { Output = new OutputOptions { TopLogprobs = 1 } },
            "{'choices': [{'delta': {'content': 'é!'}, 'logprobs': {'content': ["
            + "{'token': '\\\\xc3', 'bytes': [195], 'logprob': -0.5, 'top_logprobs': [{'token': 'x', 'bytes': null, 'logprob': -0.25}]}, "
            + "{'token': '!', 'logprob': 'none'}]}}]}");

        var delta = run.Output[^1];
        delta.TokenCount.ShouldBe(2u);
        var tokens = delta.Tokens.ShouldNotBeNull();
        tokens[0].RawBytes.ToByteArray().ShouldBe([195]);
        tokens[0].Logprob.ShouldBe(-0.5f);
        tokens[0].Alternatives.ShouldHaveSingleItem().RawBytes.ToStringUtf8().ShouldBe("x");
        tokens[1].RawBytes.ToStringUtf8().ShouldBe("!");
        tokens[1].HasLogprob.ShouldBeFalse();
    }

    [Fact]
    public void Read_TokenWithoutText_IsCounted()
    {
        var run = Run.Of(
            new GenerateRequest { Output = new OutputOptions { Logprobs = true } },
            "{'choices': [{'delta': {'content': ''}, 'logprobs': {'content': [{'token': '', 'bytes': [240], 'logprob': 0}]}}]}");

        run.Output[^1].Kind.ShouldBe(BackendEventKind.Text);
        run.Output[^1].TokenCount.ShouldBe(1u);
    }

    [Fact]
    public void Read_LogprobsUnasked_AreLeftOut() => Run.Of(
        null, "{'choices': [{'delta': {'content': 'a'}, 'logprobs': {'content': [{'token': 'a', 'logprob': 0}]}}]}")
        .Output[^1].Tokens.ShouldBeNull();

    [Fact]
    public void Read_RandomTextInRandomPieces_ComesOutWhole() => Properties.HoldsForSeeds(random =>
    {
        var text = RandomText(random);
        var run = new Run(null);
        foreach (var piece in Properties.Cut(random, text))
            run.Read($$$"""{"choices":[{"delta":{"content":{{{Escaped(random, piece)}}}}}]}""", quoted: false);

        string.Concat(run.Output.Select(one => one.Text)).ShouldBe(text);
    });

    private static string RandomText(Random random)
    {
        string[] alphabet = ["a", "\"", "\\", "\n", "é", "字", "😀", "\u0001", "</", "\u2028"];
        return string.Concat(random.GetItems(alphabet, random.Next(0, 20)));
    }

    // As servers write JSON: any character may be escaped, halves of a pair must be.
    private static string Escaped(Random random, string piece)
    {
        var json = new StringBuilder("\"");
        for (var i = 0; i < piece.Length; i++)
        {
            var one = piece[i];
            var isPair = char.IsHighSurrogate(one) && i + 1 < piece.Length && char.IsLowSurrogate(piece[i + 1]);
            if (isPair && random.Next(2) == 0) json.Append(one).Append(piece[++i]);
            else if (char.IsControl(one) || char.IsSurrogate(one) || one is '"' or '\\' || random.Next(4) == 0)
                json.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\u{(int)one:x4}");
            else json.Append(one);
        }

        return json.Append('"').ToString();
    }

    /// <summary>One answer being read.</summary>
    internal sealed class Run(GenerateRequest? request)
    {
        private readonly OpenAiStream _stream = new(request ?? new GenerateRequest());

        public List<BackendEvent> Output { get; } = [];

        public BackendEnding? Ending => _stream.Ending;

        /// <summary>Kind, text and part of each delta of text, reasoning and refusal.</summary>
        public IEnumerable<string> Deltas =>
            Output.Where(one => one.IsDelta && one.ToolCall is null).Select(one => $"{one.Kind}:{one.Text}@{one.PartIndex}");

        public IReadOnlyList<ToolCallDelta> Calls => [.. Output.Select(one => one.ToolCall).OfType<ToolCallDelta>()];

        public Usage? Usage => Output.FindLast(one => one.Usage is not null).Usage;

        public static Run Of(GenerateRequest? request, params string[] chunks)
        {
            var run = new Run(request);
            foreach (var chunk in chunks) run.Read(chunk);
            return run;
        }

        public Run Read(string data, string type = "message", bool quoted = true)
        {
            _stream.Read(type, Encoding.UTF8.GetBytes(quoted ? data.Replace('\'', '"') : data), Output);
            return this;
        }

        public Run Complete()
        {
            _stream.Complete(Output);
            return this;
        }
    }
}
