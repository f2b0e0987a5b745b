using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.OpenAi;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.OpenAi;

/// <summary>Every field of a request, as it goes to the provider. JSON is written with single quotes here.</summary>
public sealed class OpenAiRequestTests
{
    // Members of a request in protobuf's JSON form, the parameter they set, and its value.
    public static TheoryData<string, string, string> Fields => new()
    {
        { "'sampling': {'temperature': 0.7}", "temperature", "0.7" },
        { "'sampling': {'temperature': 0}", "temperature", "0" },
        { "'sampling': {'topP': 0.9}", "top_p", "0.9" },
        { "'sampling': {'seed': '-9007199254740993'}", "seed", "-9007199254740993" },
        { "'sampling': {'presencePenalty': -2}", "presence_penalty", "-2" },
        { "'sampling': {'frequencyPenalty': 1.5}", "frequency_penalty", "1.5" },
        { "'sampling': {'logitBias': {'50256': -100}}", "logit_bias", "{'50256': -100}" },
        { "'sampling': {'topK': 40}", "top_k", "40" },
        { "'sampling': {'minP': 0.05}", "min_p", "0.05" },
        { "'sampling': {'repetitionPenalty': 1.1}", "repetition_penalty", "1.1" },
        { "'limits': {'minOutputTokens': 5}", "min_tokens", "5" },
        { "'limits': {'maxOutputTokens': 64}", "max_completion_tokens", "64" },
        { "'output': {'logprobs': true}", "logprobs", "true" },
        { "'output': {'topLogprobs': 5}", "top_logprobs", "5" },
        { "'output': {'responseFormat': {'jsonObject': {}}}", "response_format", "{'type': 'json_object'}" },
        {
            "'output': {'responseFormat': {'jsonSchema': {'jsonSchema': '{\\'type\\':\\'object\\'}', 'name': 'n', 'strict': false}}}",
            "response_format", "{'type': 'json_schema', 'json_schema': {'name': 'n', 'schema': {'type': 'object'}, 'strict': false}}"
        },
        {
            "'output': {'responseFormat': {'jsonSchema': {'jsonSchema': '{}'}}}",
            "response_format", "{'type': 'json_schema', 'json_schema': {'name': 'answer', 'schema': {}}}"
        },
        { "'reasoning': {'effort': 'REASONING_EFFORT_NONE'}", "reasoning_effort", "'none'" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_MINIMAL'}", "reasoning_effort", "'minimal'" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_LOW'}", "reasoning_effort", "'low'" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_MEDIUM'}", "reasoning_effort", "'medium'" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_HIGH'}", "reasoning_effort", "'high'" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_MAX'}", "reasoning_effort", "'xhigh'" },
        { "'reasoning': {'budgetTokens': 0}", "reasoning_effort", "'none'" },
        { "'endUserId': 'u-1'", "user", "'u-1'" },
        {
            "'tools': [{'name': 'add', 'description': 'Adds.', 'parametersJsonSchema': '{\\'type\\':\\'object\\'}', 'strict': true}]",
            "tools", "[{'type': 'function', 'function': {'name': 'add', 'description': 'Adds.', 'parameters': {'type': 'object'}, 'strict': true}}]"
        },
        {
            "'tools': [{'name': 'now'}]",
            "tools", "[{'type': 'function', 'function': {'name': 'now', 'parameters': {'type': 'object', 'properties': {}}}}]"
        },
        { "'tools': [{'name': 'a'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_AUTO'}", "tool_choice", "'auto'" },
        { "'tools': [{'name': 'a'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_NONE'}", "tool_choice", "'none'" },
        { "'tools': [{'name': 'a'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED'}", "tool_choice", "'required'" },
        {
            "'tools': [{'name': 'a'}, {'name': 'b'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED', 'toolNames': ['b']}",
            "tool_choice", "{'type': 'function', 'function': {'name': 'b'}}"
        },
        { "'tools': [{'name': 'a'}], 'toolChoice': {'parallelToolCalls': false}", "parallel_tool_calls", "false" },
    };

    [Theory]
    [MemberData(nameof(Fields))]
    public void Write_Field_SetsItsParameter(string members, string parameter, string value)
    {
        var body = Write($"{{'prompt': 'p', {members}}}");

        ShouldBeJson(body[parameter], value);
        OpenAiRequest.Parameters.ShouldContain(parameter);
    }

    [Fact]
    public void Write_BarePrompt_SetsNothingElse()
    {
        ShouldBeJson(
            Write("{'prompt': 'Grüß Gott \\\"'}"),
            "{'model': 'm', 'messages': [{'role': 'user', 'content': 'Grüß Gott \\\"'}], 'stream': true, 'stream_options': {'include_usage': true}}");
    }

    [Fact]
    public void Write_UsageIsNotToBeAsked_SendsNoStreamOptions()
    {
        Write("{'prompt': 'p'}", new OpenAiOptions { IncludeUsage = false }).ContainsKey("stream_options").ShouldBeFalse();
    }

    [Fact]
    public void Write_OlderNameOfTheLimit_IsUsed()
    {
        var body = Write("{'prompt': 'p', 'limits': {'maxOutputTokens': 9}}", new OpenAiOptions { MaxTokensField = "max_tokens" });

        body["max_tokens"]!.GetValue<int>().ShouldBe(9);
        body.ContainsKey("max_completion_tokens").ShouldBeFalse();
    }

    [Fact]
    public void Write_StopSequences_AreLeftToTheRelay()
    {
        Write("{'prompt': 'p', 'limits': {'stopSequences': ['x']}}").ContainsKey("stop").ShouldBeFalse();
    }

    [Fact]
    public void Write_ChoiceNamesTools_OnlyTheseAreSent()
    {
        var body = Write(
            "{'prompt': 'p', 'tools': [{'name': 'a'}, {'name': 'b'}, {'name': 'c'}], "
            + "'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED', 'toolNames': ['c', 'a']}}");

        body["tools"]!.AsArray().Select(tool => tool!["function"]!["name"]!.GetValue<string>()).ShouldBe(["a", "c"]);
        ShouldBeJson(body["tool_choice"], "'required'");
    }

    [Fact]
    public void Write_ChoiceWithoutTools_IsLeftOut()
    {
        var body = Write("{'prompt': 'p', 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_NONE', 'parallelToolCalls': true}}");

        body.ContainsKey("tool_choice").ShouldBeFalse();
        body.ContainsKey("parallel_tool_calls").ShouldBeFalse();
    }

    [Fact]
    public void WriteTokenize_Conversation_IsVllmsBody()
    {
        var request = Parse("{'prompt': 'p', 'tools': [{'name': 'a'}]}");
        var body = Written(json => OpenAiRequest.WriteTokenize(json, new BackendCall(request, "m")));

        ShouldBeJson(body["add_generation_prompt"], "true");
        ShouldBeJson(body["messages"], "[{'role': 'user', 'content': 'p'}]");
        body["tools"]!.AsArray().Count.ShouldBe(1);
        body.ContainsKey("stream").ShouldBeFalse();
    }

    internal static GenerateRequest Parse(string json) => GenerateRequest.Parser.ParseJson(Quoted(json));

    internal static JsonObject Write(string request, OpenAiOptions? options = null) => Written(json =>
    {
        json.WriteStartObject();
        new OpenAiProvider(options ?? new OpenAiOptions()).WriteBody(json, new BackendCall(Parse(request), "m"));
        json.WriteEndObject();
    });

    internal static void ShouldBeJson(JsonNode? actual, string expected) =>
        JsonNode.DeepEquals(actual, JsonNode.Parse(Quoted(expected))).ShouldBeTrue($"{actual?.ToJsonString()} is not {expected}");

    private static JsonObject Written(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer)) write(json);
        return JsonNode.Parse(buffer.WrittenSpan)!.AsObject();
    }

    private static string Quoted(string json) => json.Replace('\'', '"');
}
