using System.Text;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Ollama;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Ollama;

/// <summary>Lines of one answer, parsed. JSON is written with single quotes here.</summary>
public sealed class OllamaStreamTests
{
    private readonly OllamaStream _stream = new();
    private readonly List<BackendEvent> _output = [];

    [Fact]
    public void Read_ThinkingAndContent_AreParts()
    {
        Read(
            "{'model': 'llama3.2', 'message': {'role': 'assistant', 'content': '', 'thinking': 'r1'}, 'done': false}",
            "{'message': {'thinking': 'r2', 'content': ''}}",
            "{'message': {'content': 'a'}}",
            "{'message': {'content': 'b'}, 'unknown': [{}]}");

        _output[0].Opening!.Model.ShouldBe("llama3.2");
        _output[0].Opening!.TokenCountSource.ShouldBe(UsageSource.Estimated);
        Deltas.ShouldBe(["Reasoning:r1@0", "Reasoning:r2@0", "Text:a@1", "Text:b@1"]);
        _output.Where(static one => one.IsDelta).ShouldAllBe(static one => one.TokenCount == 1);
    }

    [Fact]
    public void Read_ToolCalls_AreWholeAndDone()
    {
        Read(
            "{'message': {'content': 'x', 'tool_calls': [{'id': 'c1', 'function': {'index': 0, 'name': 'add', 'arguments': {'a': 1.0, 'b': [ 2 ]}}}, "
            + "{'function': {'name': 'now'}}, {'function': {'name': 'str', 'arguments': '{}'}}]}}",
            "{'done': true, 'done_reason': 'stop', 'eval_count': 3}");

        var calls = _output.Select(static one => one.ToolCall).OfType<ToolCallDelta>().ToList();
        calls.Select(static one => (one.Index, one.Name, one.ArgumentsFragment, one.Done)).ShouldBe([
            (0u, "add", "{\"a\": 1.0, \"b\": [ 2 ]}", false), (0u, "", "", true),
            (1u, "now", "", false), (1u, "", "", true), (2u, "str", "{}", false), (2u, "", "", true),
        ]);
        calls[0].Id.ShouldBe("c1");
        calls[2].Id.Length.ShouldBe(9);
        _output.Where(static one => one.ToolCall is not null).Select(static one => one.PartIndex).ShouldBe([1u, 1u, 2u, 2u, 3u, 3u]);
        _stream.Ending!.Reason.ShouldBe(FinishReason.ToolCalls);
    }

    [Fact]
    public void Read_ArgumentsThatAreNoObject_AreMalformed() => Should.Throw<BackendException>(
        () => Read("{'message': {'tool_calls': [{'function': {'name': 'a', 'arguments': [1]}}]}}")).Failure.ShouldBe(BackendFailure.Malformed);

    [Theory]
    [InlineData("'stop'", FinishReason.Stop, "stop")]
    [InlineData("''", FinishReason.Stop, "")]
    [InlineData("'length'", FinishReason.Length, "length")]
    [InlineData("'load'", FinishReason.Other, "load")]
    [InlineData("'unload'", FinishReason.Other, "unload")]
    [InlineData("'tired'", FinishReason.Other, "tired")]
    public void Read_Done_IsMappedWithItsWord(string word, FinishReason expected, string raw)
    {
        Read($"{{'message': {{'content': 'a'}}, 'done': true, 'done_reason': {word}, 'prompt_eval_count': 26, 'eval_count': 259}}");

        _stream.IsOver.ShouldBeTrue();
        _stream.Ending.ShouldBe(new BackendEnding(expected)
        {
            RawReason = raw, Usage = new Usage { InputTokens = 26, OutputTokens = 259, Source = UsageSource.Reported },
        });
    }

    [Fact]
    public void Read_DoneWithoutCounts_ReportsNoUsage()
    {
        Read("{'message': {'content': 'a'}, 'done': true, 'done_reason': 'stop'}");

        _stream.Ending!.Usage.ShouldBeNull();
    }

    [Fact]
    public void Read_DoneWithoutThePromptsCount_LeavesItUnknown()
    {
        Read("{'done': true, 'eval_count': 4}");

        _stream.Ending!.Usage!.HasInputTokens.ShouldBeFalse();
        _stream.Ending.Usage.OutputTokens.ShouldBe(4u);
    }

    [Fact]
    public void Read_Logprobs_AreTokensOfTheText()
    {
        Read("{'message': {'content': 'hi'}, 'logprobs': [{'token': 'h', 'logprob': -0.5, 'bytes': [104], "
            + "'top_logprobs': [{'token': 'h', 'logprob': -0.5, 'bytes': [104]}, {'token': 'j', 'logprob': -2}]}, {'token': 'i', 'logprob': 'x'}]}");

        var text = _output[^1];
        text.TokenCount.ShouldBe(2u);
        text.Tokens!.Count.ShouldBe(2);
        text.Tokens[0].Logprob.ShouldBe(-0.5f);
        text.Tokens[0].RawBytes.ToStringUtf8().ShouldBe("h");
        text.Tokens[0].Alternatives.Select(static one => (one.RawBytes.ToStringUtf8(), one.Logprob)).ShouldBe([("h", -0.5f), ("j", -2f)]);
        text.Tokens[1].HasLogprob.ShouldBeFalse();
    }

    [Theory]
    [InlineData("{'error': 'model runner has stopped', 'x': 1}", nameof(BackendFailure.Unavailable))]
    [InlineData("{'error': 'too many', 'status_code': 429}", nameof(BackendFailure.RateLimited))]
    [InlineData("{'error': {'message': 'nested'}}", nameof(BackendFailure.Unavailable))]
    public void Read_Error_CountsAsItsStatusBeforeTheFirstToken(string line, string expected)
    {
        var failure = Should.Throw<BackendException>(() => Read(line));

        failure.Failure.ShouldBe(BackendFailure.Failed);
        failure.BeforeFirstToken.ToString().ShouldBe(expected);
    }

    [Theory]
    [InlineData("7")]
    [InlineData("[1]")]
    [InlineData("'text'")]
    public void Read_NoObject_IsMalformed(string line) =>
        Should.Throw<BackendException>(() => Read(line)).Failure.ShouldBe(BackendFailure.Malformed);

    [Theory]
    [InlineData("{'message': 3, 'done': 'yes', 'error': null}")]
    [InlineData("{'message': {'content': 5, 'thinking': [], 'tool_calls': {'x': 1}}, 'logprobs': 3}")]
    [InlineData("{'message': {'tool_calls': [3, null, {'function': 'x'}]}, 'logprobs': [3, null]}")]
    [InlineData("{'status': 'loading model'}")]
    public void Read_NothingToSay_IsOnlyAlive(string line)
    {
        Read(line);

        Deltas.ShouldBeEmpty();
        _output[^1].Kind.ShouldBe(BackendEventKind.Alive);
        _stream.Ending.ShouldBeNull();
    }

    [Fact]
    public void Read_TwoDocumentsOnALine_LosesNeither()
    {
        Read("{'message': {'content': 'a'}}{'message': {'content': 'b'}, 'done': true}");

        Deltas.ShouldBe(["Text:a@0", "Text:b@0"]);
        _stream.IsOver.ShouldBeTrue();
    }

    private IEnumerable<string> Deltas =>
        _output.Where(static one => one.IsDelta && one.ToolCall is null).Select(static one => $"{one.Kind}:{one.Text}@{one.PartIndex}");

    private void Read(params string[] lines)
    {
        foreach (var line in lines) _stream.Read("message", Encoding.UTF8.GetBytes(line.Replace('\'', '"')), _output);
    }
}
