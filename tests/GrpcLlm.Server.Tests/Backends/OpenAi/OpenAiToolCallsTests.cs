using GrpcLlm.Server.Backends;
using GrpcLlm.V1;
using Run = GrpcLlm.Server.Tests.Backends.OpenAi.OpenAiStreamTests.Run;

namespace GrpcLlm.Server.Tests.Backends.OpenAi;

/// <summary>Tool calls in every habit that was seen. JSON is written with single quotes here.</summary>
public sealed class OpenAiToolCallsTests
{
    private const string Done = "{'choices': [{'delta': {}, 'finish_reason': 'tool_calls'}]}";

    // What one delta after another holds as tool_calls, and the calls that come out: id, name, arguments.
    public static TheoryData<string[], string[]> Habits => new()
    {
        // Fragments, as OpenAI sends them.
        {
            [
                "[{'index': 0, 'id': 'c1', 'type': 'function', 'function': {'name': 'add', 'arguments': ''}}]",
                "[{'index': 0, 'function': {'arguments': '{\\'a\\':'}}]", "[{'index': 0, 'function': {'arguments': '1}'}}]",
            ],
            ["c1 add {'a':1}"]
        },
        // Two calls, interleaved.
        {
            [
                "[{'index': 0, 'id': 'c1', 'function': {'name': 'f'}}, {'index': 1, 'id': 'c2', 'function': {'name': 'g'}}]",
                "[{'index': 1, 'function': {'arguments': '{\\'b\\''}}]", "[{'index': 0, 'function': {'arguments': '{\\'a\\':1}'}}]",
                "[{'index': 1, 'function': {'arguments': ':2}'}}]",
            ],
            ["c1 f {'a':1}", "c2 g {'b':2}"]
        },
        // Whole calls without an index.
        {
            ["[{'id': 'c1', 'function': {'name': 'f', 'arguments': '{}'}}, {'id': 'c2', 'function': {'name': 'f', 'arguments': '{}'}}]"],
            ["c1 f {}", "c2 f {}"]
        },
        // Without an index, in fragments: by id, then by order.
        {
            [
                "[{'id': 'c1', 'function': {'name': 'f', 'arguments': '{'}}]", "[{'id': 'c1', 'function': {'arguments': '}'}}]",
                "[{'id': 'c2', 'function': {'name': 'g', 'arguments': '{'}}]", "[{'function': {'arguments': '}'}}]",
            ],
            ["c1 f {}", "c2 g {}"]
        },
        // Gemini's compatible endpoint numbers every call 0.
        {
            ["[{'index': 0, 'id': 'c1', 'function': {'name': 'f', 'arguments': '{}'}}, {'index': 0, 'id': 'c2', 'function': {'name': 'f', 'arguments': '{}'}}]"],
            ["c1 f {}", "c2 f {}"]
        },
        // Id and name again in every fragment.
        {
            [
                "[{'index': 0, 'id': 'c1', 'function': {'name': 'f', 'arguments': '{'}}]",
                "[{'index': 0, 'id': 'c1', 'function': {'name': 'f', 'arguments': '}'}}]",
            ],
            ["c1 f {}"]
        },
        // Another type, arguments that are an object, a call alone instead of a list.
        { ["{'index': 0, 'id': 'c1', 'type': 'tool', 'function': {'name': 'f', 'arguments': {'a': [1]}}}"], ["c1 f {'a': [1]}"] },
        // The name after the id and the first arguments.
        {
            ["[{'index': 0, 'id': 'c1', 'function': {'arguments': '{'}}]", "[{'index': 0, 'function': {'name': 'f', 'arguments': '}'}}]"],
            ["c1 f {}"]
        },
        // No function object; no arguments at all.
        { ["[{'index': 0, 'id': 'c1', 'name': 'f', 'arguments': null}]"], ["c1 f "] },
        // An index that does not begin at 0, and pieces that say nothing.
        { ["[{'index': 7}, 3]", "[{'index': 1, 'id': 'c1', 'function': {'name': 'f', 'arguments': '{}'}}]"], ["c1 f {}"] },
    };

    [Theory]
    [MemberData(nameof(Habits))]
    public void Read_AnyHabit_GivesCompleteCalls(string[] deltas, string[] expected)
    {
        var run = new Run(null);
        foreach (var delta in deltas) run.Read($"{{'choices': [{{'delta': {{'tool_calls': {delta}}}}}]}}");
        run.Read(Done).Complete();

        var calls = run.Calls.GroupBy(call => call.Index).OrderBy(call => call.Key).ToList();
        calls.Select(call => $"{call.First().Id} {call.First().Name} {string.Concat(call.Select(one => one.ArgumentsFragment))}")
            .ShouldBe(expected.Select(one => one.Replace('\'', '"')));
        calls.Select(call => call.Key).ShouldBe(Enumerable.Range(0, expected.Length).Select(index => (uint)index));
        calls.ShouldAllBe(call => call.Skip(1).All(one => one.Id == "" && one.Name == ""));
        calls.ShouldAllBe(call => call.Last().Done && call.Count(one => one.Done) == 1);
        run.Ending!.Reason.ShouldBe(FinishReason.ToolCalls);
    }

    [Fact]
    public void Read_NoId_OneIsMade()
    {
        var run = Run.Of(null, "{'choices': [{'delta': {'tool_calls': [{'function': {'name': 'f', 'arguments': '{}'}}]}}]}");

        run.Calls[0].Id.ShouldMatch("^[A-Za-z0-9]{9}$");
    }

    [Fact]
    public void Read_LegacyFunctionCall_IsACall()
    {
        var run = Run.Of(
            null,
            "{'choices': [{'delta': {'function_call': {'name': 'f', 'arguments': ''}}}]}",
            "{'choices': [{'delta': {'function_call': {'arguments': '{}'}}, 'finish_reason': 'function_call'}]}").Complete();

        run.Calls.Select(call => call.Name).ShouldBe(["f", "", ""]);
        run.Calls[^1].Done.ShouldBeTrue();
    }

    [Fact]
    public void Read_TextAndCalls_AreParts()
    {
        var run = Run.Of(
            null,
            "{'choices': [{'delta': {'content': 'a'}}]}",
            "{'choices': [{'delta': {'tool_calls': [{'index': 0, 'id': 'x', 'function': {'name': 'f'}}, {'index': 1, 'id': 'y', 'function': {'name': 'g'}}]}}]}",
            "{'choices': [{'delta': {'tool_calls': [{'index': 0, 'function': {'arguments': '{}'}}]}}]}",
            "{'choices': [{'delta': {'content': 'b'}}]}");

        run.Output.Where(one => one.IsDelta).Select(one => one.PartIndex).ShouldBe([0u, 1u, 2u, 1u, 3u]);
    }

    [Fact]
    public void Complete_StopWithCalls_IsToolCallsAndKeepsTheWord()
    {
        var run = Run.Of(
            null, "{'choices': [{'delta': {'tool_calls': [{'id': 'x', 'function': {'name': 'f'}}]}, 'finish_reason': 'stop'}]}").Complete();

        run.Ending!.Reason.ShouldBe(FinishReason.ToolCalls);
        run.Ending.RawReason.ShouldBe("stop");
        run.Calls[^1].Done.ShouldBeTrue();
    }

    [Theory]
    [InlineData("length")]
    [InlineData("content_filter")]
    [InlineData("abort")]
    public void Complete_CutAnswer_LeavesItsCallsOpen(string word)
    {
        var run = Run.Of(
            null,
            "{'choices': [{'delta': {'tool_calls': [{'index': 0, 'id': 'x', 'function': {'name': 'f', 'arguments': '{'}}]}}]}",
            $"{{'choices': [{{'delta': {{}}, 'finish_reason': '{word}'}}]}}").Complete();

        run.Calls.ShouldAllBe(call => !call.Done);
    }

    [Theory]
    [InlineData("{'name': 'f', 'arguments': '{'}")]
    [InlineData("{'name': 'f', 'arguments': '[]'}")]
    [InlineData("{'name': 'f', 'arguments': '{} {}'}")]
    [InlineData("{'arguments': '{}'}")]
    public void Complete_CallThatMakesNoSense_IsMalformed(string function)
    {
        var run = Run.Of(null, $"{{'choices': [{{'delta': {{'tool_calls': [{{'index': 0, 'id': 'x', 'function': {function}}}]}}}}]}}", Done);

        Should.Throw<BackendException>(run.Complete).Failure.ShouldBe(BackendFailure.Malformed);
    }

    [Fact]
    public void Read_CallsWithoutEndThatHaveNoName_IsMalformed()
    {
        var run = new Run(null);

        Should.Throw<BackendException>(() =>
        {
            for (var n = 0; n <= 256; n++) run.Read($"{{'choices': [{{'delta': {{'tool_calls': [{{'index': {n}, 'function': {{'arguments': '1'}}}}]}}}}]}}");
        }).Failure.ShouldBe(BackendFailure.Malformed);
    }

    [Fact]
    public void Read_ArgumentsWithoutEndThatWaitForAName_IsMalformed()
    {
        var run = new Run(null);
        var piece = $"{{'choices': [{{'delta': {{'tool_calls': [{{'index': 0, 'function': {{'arguments': '{new string('1', 600_000)}'}}}}]}}}}]}}";
        run.Read(piece);

        Should.Throw<BackendException>(() => run.Read(piece)).Failure.ShouldBe(BackendFailure.Malformed);
    }
}
