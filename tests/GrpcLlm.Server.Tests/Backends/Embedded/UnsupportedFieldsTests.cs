using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Embedded.Structured;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

public sealed class UnsupportedFieldsTests
{
    private const string Forced = "'tools': [{'name': 't'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED'}";

    // Members of a request in protobuf's JSON form, and the field that is named for them.
    public static TheoryData<string, string> Refused => new()
    {
        { "'conversation': {'messages': [{'role': 'ROLE_SYSTEM', 'parts': [{'text': 'a'}]}]}", "conversation.messages" },
        { "'conversation': {'messages': [{'role': 'ROLE_USER'}, {'role': 'ROLE_USER'}]}", "conversation.messages" },
        {
            "'conversation': {'messages': [{'role': 'ROLE_USER', 'parts': [{'text': 'a'}, {'image': {}}]}]}",
            "conversation.messages[0].parts[1].image"
        },
        { "'tools': [{'name': 't'}]", "tools" },
        { "'toolChoice': {'mode': 'TOOL_CHOICE_MODE_AUTO'}", "tool_choice.mode" },
        { "'toolChoice': {'toolNames': ['t']}", "tool_choice.tool_names" },
        { "'toolChoice': {'parallelToolCalls': true}", "tool_choice.parallel_tool_calls" },
        {
            "'output': {'responseFormat': {'jsonSchema': {'jsonSchema': '{\\'items\\':{\\'not\\':{}}}'}}}",
            "output.response_format.json_schema.json_schema#/items/not"
        },
        { "'output': {'responseFormat': {'jsonObject': {}}}, 'limits': {'minOutputTokens': 1}", "limits.min_output_tokens" },
        { $"{Forced}, 'limits': {{'minOutputTokens': 1}}", "limits.min_output_tokens" },
        { $"{Forced}, 'output': {{'logprobs': true}}", "output.logprobs" },
        { $"{Forced}, 'output': {{'topLogprobs': 1}}", "output.top_logprobs" },
        { $"{Forced}, 'output': {{'tokenIds': true}}", "output.token_ids" },
        { $"{Forced}, 'output': {{'responseFormat': {{'jsonObject': {{}}}}}}", "output.response_format.json_object" },
        {
            "'tools': [{'name': 'a'}, {'name': 'b', 'parametersJsonSchema': '{\\'contains\\':1}'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED'}",
            "tools[1].parameters_json_schema#/contains"
        },
        {
            "'tools': [{'name': 'a', 'parametersJsonSchema': '{\\'type\\':\\'array\\'}'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED'}",
            "tools[0].parameters_json_schema#"
        },
        { "'reasoning': {'effort': 'REASONING_EFFORT_LOW'}", "reasoning.effort" },
        { "'reasoning': {'budgetTokens': 5}", "reasoning.budget_tokens" },
        { "'sampling': {'logitBias': {'2047': 1, '2048': 1}}", "sampling.logit_bias[2048]" },
        { "'providerOptionsJson': {'embedded': '{}'}", "provider_options_json[embedded]" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Find_FieldThatCannotBeHonoured_IsNamed(string members, string field)
    {
        Find(members).ShouldHaveSingleItem().Field.ShouldBe(field);
    }

    [Theory]
    [InlineData("'prompt': 'a'")]
    [InlineData("'conversation': {'messages': [{'role': 'ROLE_USER', 'parts': [{'text': 'a'}, {'text': 'b'}]}]}")]
    [InlineData("'toolChoice': {'mode': 'TOOL_CHOICE_MODE_NONE'}")]
    [InlineData("'tools': [{'name': 't'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_NONE', 'parallelToolCalls': false}")]
    [InlineData(Forced)]
    [InlineData("'tools': [{'name': 't'}, {'name': 'u', 'parametersJsonSchema': '{\\'not\\':1}'}], 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED', 'toolNames': ['t']}")]
    [InlineData("'output': {'responseFormat': {'jsonObject': {}}}")]
    [InlineData("'output': {'responseFormat': {'jsonSchema': {'jsonSchema': '{\\'type\\':\\'null\\'}', 'strict': true}}}")]
    [InlineData("'reasoning': {'effort': 'REASONING_EFFORT_NONE', 'budgetTokens': 0}")]
    [InlineData("'output': {'responseFormat': {'text': {}}, 'topLogprobs': 20, 'tokenIds': true}")]
    [InlineData("'providerOptionsJson': {'openai': '{}'}, 'sampling': {'logitBias': {'2047': 1}}")]
    public void Find_FieldsThatAreHonoured_NamesNone(string members) => Find(members).ShouldBeEmpty();

    private static Violations Find(string members)
    {
        var violations = new Violations();
        EmbeddedModel model = TestModels.Model(TestModels.Default);
        string json = "{" + members.Replace("\\'", "\\\"").Replace('\'', '"') + "}";
        UnsupportedFields.Find(
            GenerateRequest.Parser.ParseJson(json), model, new StructuredOutput(model.Vocabulary), violations);
        return violations;
    }
}
