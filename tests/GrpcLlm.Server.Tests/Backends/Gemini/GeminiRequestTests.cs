using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Gemini;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Gemini;

/// <summary>Every field of a request, as it goes to the provider or is refused. JSON is written with single quotes here.</summary>
public sealed class GeminiRequestTests
{
    private const string Second = "gemini-2.5-flash";
    private const string Third = "gemini-3-pro-preview";

    // Members of a request in protobuf's JSON form, and the generationConfig they make.
    public static TheoryData<string, string> Configs => new()
    {
        { "'sampling': {'temperature': 0.7, 'topP': 0.9, 'topK': 40}", "{'temperature': 0.7, 'topP': 0.9, 'topK': 40}" },
        { "'sampling': {'temperature': 0, 'seed': '-5'}", "{'temperature': 0, 'seed': -5}" },
        { "'sampling': {'presencePenalty': -2, 'frequencyPenalty': 1.5}", "{'presencePenalty': -2, 'frequencyPenalty': 1.5}" },
        { "'limits': {'maxOutputTokens': 64, 'stopSequences': ['x']}", "{'maxOutputTokens': 64}" },
        { "'limits': {'maxOutputTokens': 4294967295}", "{'maxOutputTokens': 2147483647}" },
        { "'output': {'logprobs': true}", "{'responseLogprobs': true}" },
        { "'output': {'topLogprobs': 5}", "{'responseLogprobs': true, 'logprobs': 5}" },
        { "'output': {'tokenIds': true}", "{'responseLogprobs': true}" },
        { "'output': {'responseFormat': {'text': {}}}", "{}" },
        { "'output': {'responseFormat': {'jsonObject': {}}}", "{'responseMimeType': 'application/json'}" },
        {
            "'output': {'responseFormat': {'jsonSchema': {'jsonSchema': '{\\'type\\':\\'object\\'}', 'name': 'n', 'strict': true}}}",
            "{'responseMimeType': 'application/json', 'responseJsonSchema': {'type': 'object'}}"
        },
        { "'endUserId': 'u', 'reasoning': {}", "{}" },
    };

    [Theory]
    [MemberData(nameof(Configs))]
    public void Write_Field_MakesItsConfig(string members, string expected) =>
        ShouldBe(Written(Request(members))["generationConfig"], expected);

    [Theory]
    [InlineData(Second, "'effort': 'REASONING_EFFORT_NONE'", "{'thinkingBudget': 0}")]
    [InlineData(Second, "'effort': 'REASONING_EFFORT_MINIMAL'", "{'thinkingBudget': 1024, 'includeThoughts': true}")]
    [InlineData(Second, "'effort': 'REASONING_EFFORT_LOW'", "{'thinkingBudget': 1024, 'includeThoughts': true}")]
    [InlineData(Second, "'effort': 'REASONING_EFFORT_MEDIUM'", "{'thinkingBudget': 8192, 'includeThoughts': true}")]
    [InlineData(Second, "'effort': 'REASONING_EFFORT_HIGH'", "{'thinkingBudget': 24576, 'includeThoughts': true}")]
    [InlineData(Second, "'effort': 'REASONING_EFFORT_MAX'", "{'thinkingBudget': 24576, 'includeThoughts': true}")]
    [InlineData("gemini-2.5-pro", "'effort': 'REASONING_EFFORT_MAX'", "{'thinkingBudget': 32768, 'includeThoughts': true}")]
    [InlineData(Third, "'effort': 'REASONING_EFFORT_NONE'", "{'thinkingBudget': 0}")]
    [InlineData(Third, "'effort': 'REASONING_EFFORT_MINIMAL'", "{'thinkingLevel': 'minimal', 'includeThoughts': true}")]
    [InlineData(Third, "'effort': 'REASONING_EFFORT_LOW'", "{'thinkingLevel': 'low', 'includeThoughts': true}")]
    [InlineData(Third, "'effort': 'REASONING_EFFORT_MEDIUM'", "{'thinkingLevel': 'medium', 'includeThoughts': true}")]
    [InlineData(Third, "'effort': 'REASONING_EFFORT_HIGH'", "{'thinkingLevel': 'high', 'includeThoughts': true}")]
    [InlineData("gemini-flash-latest", "'effort': 'REASONING_EFFORT_MAX'", "{'thinkingLevel': 'high', 'includeThoughts': true}")]
    [InlineData(Third, "'budgetTokens': 0", "{'thinkingBudget': 0}")]
    [InlineData(Third, "'budgetTokens': 512", "{'thinkingBudget': 512, 'includeThoughts': true}")]
    public void Write_Reasoning_FollowsTheModelsGeneration(string model, string members, string expected) =>
        ShouldBe(Written(Request($"'reasoning': {{{members}}}"), model)["generationConfig"]!["thinkingConfig"], expected);

    [Fact]
    public void Write_ThoughtsByConfiguration_AreAskedFor() => ShouldBe(
        Written(Request("'labels': {}"), Second, new GeminiOptions { IncludeThoughts = true })["generationConfig"],
        "{'thinkingConfig': {'includeThoughts': true}}");

    // Tools, and what toolConfig they make; empty for none.
    [Theory]
    [InlineData("'tools': [{'name': 'a'}]", "")]
    [InlineData("'tools': [{'name': 'a'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_AUTO', 'parallelToolCalls': true}", "")]
    [InlineData("'tools': [{'name': 'a'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_NONE'}", "{'mode': 'NONE'}")]
    [InlineData("'tools': [{'name': 'a'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED'}", "{'mode': 'ANY'}")]
    [InlineData("'tools': [{'name': 'a'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED', 'toolNames': ['a']}", "{'mode': 'ANY', 'allowedFunctionNames': ['a']}")]
    [InlineData("'tools': [{'name': 'a', 'strict': true}]", "{'mode': 'VALIDATED'}")]
    [InlineData("'tools': [{'name': 'a', 'strict': true}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED'}", "{'mode': 'ANY'}")]
    public void Write_ToolChoice_IsAMode(string members, string expected)
    {
        var config = Written(Request(members))["toolConfig"]?["functionCallingConfig"];

        if (expected.Length == 0) config.ShouldBeNull();
        else ShouldBe(config, expected);
    }

    [Fact]
    public void Write_StreamedArguments_AreAskedForByConfiguration() => ShouldBe(
        Written(Request("'tools': [{'name': 'a'}]"), Third, new GeminiOptions { StreamFunctionArguments = true })["toolConfig"],
        "{'functionCallingConfig': {'mode': 'AUTO', 'streamFunctionCallArguments': true}}");

    [Fact]
    public void Write_Tools_AreDeclaredWithTheirSchema() => ShouldBe(
        Written(Request("'tools': [{'name': 'a', 'description': 'd', 'parametersJsonSchema': '{\\'type\\':\\'object\\'}'}, {'name': 'b'}]"))["tools"],
        "[{'functionDeclarations': [{'name': 'a', 'description': 'd', 'parametersJsonSchema': {'type': 'object'}}, {'name': 'b'}]}]");

    [Fact]
    public void Write_AutoWithNames_DeclaresOnlyThose() => ShouldBe(
        Written(Request("'tools': [{'name': 'a'}, {'name': 'b'}], 'toolChoice': {'toolNames': ['b']}"))["tools"],
        "[{'functionDeclarations': [{'name': 'b'}]}]");

    [Theory]
    [InlineData("'sampling': {'minP': 0.1}", "sampling.min_p")]
    [InlineData("'sampling': {'repetitionPenalty': 1.1}", "sampling.repetition_penalty")]
    [InlineData("'sampling': {'logitBias': {'1': 2}}", "sampling.logit_bias")]
    [InlineData("'sampling': {'topK': 0}", "sampling.top_k")]
    [InlineData("'sampling': {'seed': '2147483648'}", "sampling.seed")]
    [InlineData("'limits': {'minOutputTokens': 1}", "limits.min_output_tokens")]
    [InlineData("'reasoning': {'budgetTokens': 1, 'effort': 'REASONING_EFFORT_LOW'}", "reasoning.budget_tokens")]
    [InlineData("'reasoning': {'budgetTokens': 2147483648}", "reasoning.budget_tokens")]
    [InlineData("'toolChoice': {'parallelToolCalls': false}", "tool_choice.parallel_tool_calls")]
    public void FindUnsupported_Field_IsRefusedByName(string members, string field) => Refused(Request(members)).ShouldBe([field]);

    [Fact]
    public void FindUnsupported_EverythingItTakes_IsAccepted() => Refused(Request(
        "'sampling': {'temperature': 1, 'topK': 5, 'seed': '4'}, 'tools': [{'name': 'a', 'strict': true}], "
        + "'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED', 'parallelToolCalls': true}, 'reasoning': {'effort': 'REASONING_EFFORT_LOW'}, "
        + "'output': {'topLogprobs': 3, 'tokenIds': true, 'responseFormat': {'jsonObject': {}}}, 'endUserId': 'u'")).ShouldBeEmpty();

    [Theory]
    [InlineData("gemini-3-pro", "models/gemini-3-pro:streamGenerateContent?alt=sse")]
    [InlineData("tunedModels/my model?", "tunedModels/my%20model%3F:streamGenerateContent?alt=sse")]
    public void GeneratePath_Model_IsEscaped(string model, string expected) =>
        new GeminiProvider(new GeminiOptions()).GeneratePath(new BackendCall(Request("'labels': {}"), model)).ShouldBe(expected);

    internal static GenerateRequest Request(string members) =>
        GenerateRequest.Parser.ParseJson($"{{'prompt': 'p', {members}}}".Replace('\'', '"'));

    internal static JsonObject Written(GenerateRequest request, string model = Second, GeminiOptions? options = null)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            new GeminiProvider(options ?? new GeminiOptions()).WriteBody(json, new BackendCall(request, model));
            json.WriteEndObject();
        }

        return JsonNode.Parse(buffer.WrittenSpan)!.AsObject();
    }

    internal static IEnumerable<string> Refused(GenerateRequest request)
    {
        var violations = new Violations();
        new GeminiProvider(new GeminiOptions()).FindUnsupported(request, Second, violations);
        return violations.Select(static one => one.Field);
    }

    internal static void ShouldBe(JsonNode? actual, string expected) =>
        JsonNode.DeepEquals(actual, JsonNode.Parse(expected.Replace('\'', '"'))).ShouldBeTrue(actual?.ToJsonString());
}
