using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Anthropic;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Anthropic;

public sealed class AnthropicRequestTests
{
    private const string User = "'conversation': {'messages': [{'role': 'ROLE_USER', 'parts': [{'text': 'a'}]}]}";

    // Members of a request in protobuf's JSON form; a property of the body, and what stands there.
    public static TheoryData<string, string, string> Mapped => new()
    {
        { "'prompt': 'a'", "model", "'the-model'" },
        { "'prompt': 'a'", "stream", "true" },
        { "'prompt': 'a'", "max_tokens", "4096" },
        { "'prompt': 'a', 'limits': {'maxOutputTokens': 7}", "max_tokens", "7" },
        { "'prompt': 'a'", "messages", "[{'role':'user','content':[{'type':'text','text':'a'}]}]" },
        { "'prompt': 'a', 'sampling': {'temperature': 0.7}", "temperature", "0.7" },
        { "'prompt': 'a', 'sampling': {'temperature': 0}", "temperature", "0" },
        { "'prompt': 'a', 'sampling': {'topP': 0.9}", "top_p", "0.9" },
        { "'prompt': 'a', 'sampling': {'topK': 40}", "top_k", "40" },
        { "'prompt': 'a', 'limits': {'stopSequences': ['END', '\\n\\n', 'x']}", "stop_sequences", "['END','x']" },
        { "'prompt': 'a', 'endUserId': 'u1'", "metadata", "{'user_id':'u1'}" },
        { "'prompt': 'a', 'reasoning': {'budgetTokens': 2000}", "thinking", "{'type':'enabled','budget_tokens':2000}" },
        { "'prompt': 'a', 'reasoning': {'budgetTokens': 2000}", "max_tokens", "6096" },
        { "'prompt': 'a', 'reasoning': {'budgetTokens': 0}", "thinking", "{'type':'disabled'}" },
        { "'prompt': 'a', 'reasoning': {'effort': 'REASONING_EFFORT_NONE'}", "thinking", "{'type':'disabled'}" },
        { "'prompt': 'a', 'reasoning': {'effort': 'REASONING_EFFORT_MAX'}", "thinking", "{'type':'adaptive'}" },
        { "'prompt': 'a', 'reasoning': {'effort': 'REASONING_EFFORT_MAX'}", "output_config", "{'effort':'max'}" },
        { "'prompt': 'a', 'reasoning': {'effort': 'REASONING_EFFORT_MINIMAL'}", "output_config", "{'effort':'low'}" },
        {
            "'prompt': 'a', 'reasoning': {'effort': 'REASONING_EFFORT_HIGH', 'budgetTokens': 1024}", "output_config",
            "{'effort':'high'}"
        },
        {
            "'prompt': 'a', 'output': {'responseFormat': {'jsonSchema': {'jsonSchema': '{}', 'name': 'n', 'strict': true}}}",
            "output_config", "{'format':{'type':'json_schema','schema':{}}}"
        },
        {
            "'prompt': 'a', 'tools': [{'name': 't', 'description': 'd', 'strict': true}]", "tools",
            "[{'name':'t','description':'d','input_schema':{'type':'object','properties':{}},'strict':true}]"
        },
        {
            "'prompt': 'a', 'tools': [{'name': 't'}, {'name': 'u'}], 'toolChoice': {'toolNames': ['u']}", "tools",
            "[{'name':'u','input_schema':{'type':'object','properties':{}}}]"
        },
        {
            "'prompt': 'a', 'tools': [{'name': 't'}], 'toolChoice': {'parallelToolCalls': false}", "tool_choice",
            "{'type':'auto','disable_parallel_tool_use':true}"
        },
        {
            "'prompt': 'a', 'tools': [{'name': 't'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED'}", "tool_choice",
            "{'type':'any'}"
        },
        {
            "'prompt': 'a', 'tools': [{'name': 't'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED', 'toolNames': ['t']}",
            "tool_choice", "{'type':'tool','name':'t'}"
        },
        {
            "'prompt': 'a', 'tools': [{'name': 't'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_NONE', 'parallelToolCalls': true}",
            "tool_choice", "{'type':'none'}"
        },
        { User, "messages", "[{'role':'user','content':[{'type':'text','text':'a'}]}]" },
    };

    // Members of a request, and a property that must not be in the body.
    public static TheoryData<string, string> LeftOut => new()
    {
        { "'prompt': 'a'", "thinking" },
        { "'prompt': 'a'", "output_config" },
        { "'prompt': 'a'", "tools" },
        { "'prompt': 'a'", "stop_sequences" },
        { "'prompt': 'a'", "metadata" },
        { "'prompt': 'a'", "system" },
        { "'prompt': 'a', 'sampling': {'topK': 0}", "top_k" },
        { "'prompt': 'a', 'limits': {'stopSequences': ['\\n']}", "stop_sequences" },
        { "'prompt': 'a', 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_AUTO'}", "tool_choice" },
    };

    [Theory]
    [MemberData(nameof(Mapped))]
    public void Write_Field_BecomesTheApisOwn(string members, string property, string expected) =>
        BodyOf(members)[property].ShouldNotBeNull().ToJsonString().ShouldBe(JsonNode.Parse(Quoted(expected))!.ToJsonString());

    [Theory]
    [MemberData(nameof(LeftOut))]
    public void Write_NothingToSay_IsLeftOut(string members, string property) =>
        BodyOf(members).ContainsKey(property).ShouldBeFalse();

    [Fact]
    public void Write_Schemas_AreForwardedUnchanged()
    {
        const string schema = """{ "type":"object", "properties":{"b":{"const":1.0},"a":{"const":12345678901234567890}} }""";
        var request = new GenerateRequest { Prompt = "p", Tools = { new Tool { Name = "t", ParametersJsonSchema = schema } } };

        TextOf(new BackendCall(request, "m")).ShouldContain(schema);
    }

    [Theory]
    [InlineData("'reasoning': {'effort': 'REASONING_EFFORT_LOW'}", 4096, 8192)]
    [InlineData("'reasoning': {'effort': 'REASONING_EFFORT_MAX'}, 'limits': {'maxOutputTokens': 10000}", 5000, 10000)]
    [InlineData("'reasoning': {'effort': 'REASONING_EFFORT_MAX'}, 'limits': {'maxOutputTokens': 1100}", 1024, 1100)]
    public void Write_EffortAsBudget_FitsIntoTheOutput(string members, int budget, int most)
    {
        var body = BodyOf($"'prompt': 'a', {members}", new AnthropicOptions { EffortAsBudget = true, ThinkingDisplay = "summarized" });

        body["thinking"]!.ToJsonString().ShouldBe(
            $$"""{"type":"enabled","budget_tokens":{{budget}},"display":"summarized"}""");
        body["max_tokens"]!.GetValue<int>().ShouldBe(most);
        body.ContainsKey("output_config").ShouldBeFalse();
    }

    [Fact]
    public void Write_TenantLimitBelowTheBudget_LowersTheBudget()
    {
        var request = new GenerateRequest { Prompt = "p", Reasoning = new ReasoningOptions { BudgetTokens = 9000 } };

        var body = JsonNode.Parse(TextOf(new BackendCall(request, "m") { MaxOutputTokens = 3000 }))!;

        body["thinking"]!["budget_tokens"]!.GetValue<int>().ShouldBe(2999);
        body["max_tokens"]!.GetValue<int>().ShouldBe(3000);
    }

    [Fact]
    public void WriteInput_ForCounting_HoldsNothingOfTheOutput()
    {
        var request = Parse(
            "'prompt': 'a', 'sampling': {'temperature': 1}, 'limits': {'maxOutputTokens': 5, 'stopSequences': ['x']}, "
            + "'endUserId': 'u', 'tools': [{'name': 't'}], 'toolChoice': {}");
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            AnthropicRequest.WriteInput(json, new BackendCall(request, "m"), new AnthropicOptions());
            json.WriteEndObject();
        }

        JsonNode.Parse(buffer.WrittenSpan)!.AsObject().Select(static one => one.Key)
            .ShouldBe(["model", "messages", "tools", "tool_choice"]);
    }

    [Fact]
    public void OwnParameters_HoldEverythingThatIsWritten()
    {
        var body = BodyOf(
            "'conversation': {'messages': [{'role': 'ROLE_SYSTEM', 'parts': [{'text': 's'}]}, {'role': 'ROLE_USER', "
            + "'parts': [{'text': 'a'}]}]}, 'sampling': {'temperature': 1, 'topP': 1, 'topK': 5}, "
            + "'limits': {'stopSequences': ['x']}, 'endUserId': 'u', 'tools': [{'name': 't'}], 'toolChoice': {}, "
            + "'reasoning': {'effort': 'REASONING_EFFORT_LOW'}");

        new AnthropicProvider(new AnthropicOptions()).OwnParameters.ShouldBeSubsetOf(
            [.. body.Select(static one => one.Key), "output_format"]);
        body.Select(static one => one.Key).ShouldBeSubsetOf(new AnthropicProvider(new AnthropicOptions()).OwnParameters);
    }

    internal static JsonObject BodyOf(string members, AnthropicOptions? options = null) =>
        JsonNode.Parse(TextOf(new BackendCall(Parse(members), "the-model"), options))!.AsObject();

    internal static string TextOf(BackendCall call, AnthropicOptions? options = null)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            new AnthropicProvider(options ?? new AnthropicOptions()).WriteBody(json, call);
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    internal static GenerateRequest Parse(string members) => JsonParser.Default.Parse<GenerateRequest>("{" + Quoted(members) + "}");

    internal static string Quoted(string json) => json.Replace('\'', '"');
}
