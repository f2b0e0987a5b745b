using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Ollama;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Ollama;

/// <summary>Every field of a request, as it goes to the provider or is refused. JSON is written with single quotes here.</summary>
public sealed class OllamaRequestTests
{
    // Members of a request in protobuf's JSON form, the parameter they set, and its value.
    public static TheoryData<string, string, string> Fields => new()
    {
        { "'sampling': {'temperature': 0.7}", "options", "{'temperature': 0.7}" },
        { "'sampling': {'temperature': 0, 'topP': 0.9, 'topK': 0, 'minP': 0.05}", "options", "{'temperature': 0, 'top_p': 0.9, 'top_k': 0, 'min_p': 0.05}" },
        { "'sampling': {'seed': '-9007199254740993'}", "options", "{'seed': -9007199254740993}" },
        {
            "'sampling': {'presencePenalty': -2, 'frequencyPenalty': 1.5, 'repetitionPenalty': 1.1}",
            "options", "{'presence_penalty': -2, 'frequency_penalty': 1.5, 'repeat_penalty': 1.1}"
        },
        { "'limits': {'maxOutputTokens': 64, 'stopSequences': ['x']}", "options", "{'num_predict': 64}" },
        { "'output': {'logprobs': true}", "logprobs", "true" },
        { "'output': {'topLogprobs': 5}", "top_logprobs", "5" },
        { "'output': {'topLogprobs': 5}", "logprobs", "true" },
        { "'output': {'responseFormat': {'jsonObject': {}}}", "format", "'json'" },
        { "'output': {'responseFormat': {'jsonSchema': {'jsonSchema': '{\\'type\\':\\'object\\'}', 'name': 'n'}}}", "format", "{'type': 'object'}" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_NONE'}", "think", "false" },
        { "'reasoning': {'budgetTokens': 0}", "think", "false" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_MINIMAL'}", "think", "'low'" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_LOW'}", "think", "'low'" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_MEDIUM'}", "think", "'medium'" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_HIGH'}", "think", "'high'" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_MAX'}", "think", "'high'" },
        {
            "'tools': [{'name': 'add', 'description': 'Adds.', 'parametersJsonSchema': '{\\'type\\':\\'object\\'}'}]",
            "tools", "[{'type': 'function', 'function': {'name': 'add', 'description': 'Adds.', 'parameters': {'type': 'object'}}}]"
        },
        {
            "'tools': [{'name': 'a'}, {'name': 'b'}], 'toolChoice': {'toolNames': ['b']}",
            "tools", "[{'type': 'function', 'function': {'name': 'b', 'parameters': {'type': 'object', 'properties': {}}}}]"
        },
    };

    [Theory]
    [MemberData(nameof(Fields))]
    public void Write_Field_SetsItsParameter(string members, string parameter, string expected) =>
        ShouldBe(Written(Request(members))[parameter], expected);

    // Members that set nothing, and the parameter that is then missing.
    [Theory]
    [InlineData("'endUserId': 'u'", "user")]
    [InlineData("'output': {'responseFormat': {'text': {}}}", "format")]
    [InlineData("'reasoning': {}", "think")]
    [InlineData("'tools': [{'name': 'a'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_NONE'}", "tools")]
    [InlineData("'toolChoice': {'mode': 'TOOL_CHOICE_MODE_AUTO', 'parallelToolCalls': true}", "tool_choice")]
    public void Write_FieldWithoutParameter_IsLeftOut(string members, string parameter) =>
        Written(Request(members)).ContainsKey(parameter).ShouldBeFalse();

    [Fact]
    public void Write_Prompt_IsOneUserMessageOfAWholeBody() => ShouldBe(
        Written(Request("'labels': {}"), new OllamaOptions { ContextWindow = 8192 }),
        "{'model': 'llama', 'messages': [{'role': 'user', 'content': 'p'}], 'stream': true, 'truncate': false, 'options': {'num_ctx': 8192}}");

    [Fact]
    public void Write_Conversation_KeepsRolesReasoningCallsAndResults() => ShouldBe(
        Written(Talk("""
            {'role': 'ROLE_SYSTEM', 'parts': [{'text': 's'}]},
            {'role': 'ROLE_USER', 'parts': [{'text': 'look '}, {'image': {'data': 'AQID', 'mediaType': 'image/png'}}, {'text': 'here'}]},
            {'role': 'ROLE_ASSISTANT', 'parts': [{'reasoning': 'r', 'signature': 'AAAA'}, {'text': 'é😀'}, {'refusal': 'n'},
              {'toolCall': {'id': 'c1', 'name': 'add', 'argumentsJson': '{\'a\':1.0}'}}, {'toolCall': {'id': 'c2', 'name': 'now'}}]},
            {'role': 'ROLE_TOOL', 'parts': [{'toolResult': {'toolCallId': 'c1', 'parts': [{'text': '1'}, {'text': '2'}]}},
              {'toolResult': {'toolCallId': 'c2', 'name': 'own', 'isError': true}}]}
            """))["messages"],
        """
        [{'role': 'system', 'content': 's'},
         {'role': 'user', 'content': 'look here', 'images': ['AQID']},
         {'role': 'assistant', 'content': 'é😀n', 'thinking': 'r', 'tool_calls': [
           {'id': 'c1', 'function': {'name': 'add', 'arguments': {'a': 1.0}}}, {'id': 'c2', 'function': {'name': 'now', 'arguments': {}}}]},
         {'role': 'tool', 'content': '12', 'tool_name': 'add', 'tool_call_id': 'c1'},
         {'role': 'tool', 'content': '', 'tool_name': 'own', 'tool_call_id': 'c2'}]
        """);

    [Theory]
    [InlineData("'sampling': {'logitBias': {'1': 2}}", "sampling.logit_bias")]
    [InlineData("'limits': {'minOutputTokens': 1}", "limits.min_output_tokens")]
    [InlineData("'output': {'tokenIds': true}", "output.token_ids")]
    [InlineData("'reasoning': {'budgetTokens': 100}", "reasoning.budget_tokens")]
    [InlineData("'reasoning': {'budgetTokens': 0, 'effort': 'REASONING_EFFORT_HIGH'}", "reasoning.budget_tokens")]
    [InlineData("'tools': [{'name': 'a', 'strict': true}]", "tools[0].strict")]
    [InlineData("'tools': [{'name': 'a'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED'}", "tool_choice.mode")]
    [InlineData("'toolChoice': {'parallelToolCalls': false}", "tool_choice.parallel_tool_calls")]
    public void FindUnsupported_Field_IsRefusedByName(string members, string field) => Refused(Request(members)).ShouldBe([field]);

    [Fact]
    public void FindUnsupported_Images_AreRefusedByPlace() => Refused(Talk("""
        {'role': 'ROLE_USER', 'parts': [{'image': {'url': 'https://a/b.png'}}, {'image': {'data': 'AQ==', 'mediaType': 'image/png', 'detail': 'IMAGE_DETAIL_LOW'}}]},
        {'role': 'ROLE_TOOL', 'parts': [{'toolResult': {'toolCallId': 'c', 'name': 'n', 'parts': [{'text': 't'}, {'image': {'data': 'AQ==', 'mediaType': 'image/png'}}]}}]}
        """)).ShouldBe([
            "conversation.messages[0].parts[0].image.url", "conversation.messages[0].parts[1].image.detail",
            "conversation.messages[1].parts[0].tool_result.parts[1].image",
        ]);

    [Fact]
    public void FindUnsupported_EverythingItTakes_IsAccepted() => Refused(Request(
        "'sampling': {'temperature': 1, 'topK': 5, 'minP': 0.1, 'repetitionPenalty': 1.2, 'seed': '4'}, 'tools': [{'name': 'a', 'strict': false}], "
        + "'toolChoice': {'toolNames': ['a'], 'parallelToolCalls': true}, 'reasoning': {'effort': 'REASONING_EFFORT_LOW'}, "
        + "'output': {'logprobs': true, 'responseFormat': {'jsonSchema': {'jsonSchema': '{}', 'strict': true}}}, 'endUserId': 'u'")).ShouldBeEmpty();

    [Fact]
    public void Describe_Model_TellsTheWindowThatIsAskedFor()
    {
        new OllamaProvider(new OllamaOptions { ContextWindow = 4096 }).Describe("m").ContextWindow.ShouldBe(4096u);
        new OllamaProvider(new OllamaOptions()).Describe("m").ContextWindow.ShouldBeNull();
    }

    private static GenerateRequest Request(string members) =>
        GenerateRequest.Parser.ParseJson($"{{'prompt': 'p', {members}}}".Replace('\'', '"'));

    private static GenerateRequest Talk(string messages) =>
        GenerateRequest.Parser.ParseJson($"{{'conversation': {{'messages': [{messages}]}}}}".Replace('\'', '"'));

    private static JsonObject Written(GenerateRequest request, OllamaOptions? options = null)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            new OllamaProvider(options ?? new OllamaOptions()).WriteBody(json, new BackendCall(request, "llama"));
            json.WriteEndObject();
        }

        return JsonNode.Parse(buffer.WrittenSpan)!.AsObject();
    }

    private static IEnumerable<string> Refused(GenerateRequest request)
    {
        var violations = new Violations();
        new OllamaProvider(new OllamaOptions()).FindUnsupported(request, "llama", violations);
        return violations.Select(static one => one.Field);
    }

    private static void ShouldBe(JsonNode? actual, string expected) =>
        JsonNode.DeepEquals(actual, JsonNode.Parse(expected.Replace('\'', '"'))).ShouldBeTrue(actual?.ToJsonString());
}
