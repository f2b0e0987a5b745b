using GrpcLlm.Server.Backends.Anthropic;
using GrpcLlm.Server.Requests;

namespace GrpcLlm.Server.Tests.Backends.Anthropic;

public sealed class AnthropicUnsupportedTests
{
    private const string Part = "'conversation': {'messages': [{'role': 'ROLE_USER', 'parts': [{'text': 'a'}, ";

    // Members of a request in protobuf's JSON form, and the field that is named for them.
    public static TheoryData<string, string> Refused => new()
    {
        { "'sampling': {'temperature': 1.5}", "sampling.temperature" },
        { "'sampling': {'minP': 0.1}", "sampling.min_p" },
        { "'sampling': {'seed': '0'}", "sampling.seed" },
        { "'sampling': {'presencePenalty': -1}", "sampling.presence_penalty" },
        { "'sampling': {'frequencyPenalty': 1}", "sampling.frequency_penalty" },
        { "'sampling': {'repetitionPenalty': 1.1}", "sampling.repetition_penalty" },
        { "'sampling': {'logitBias': {'1': 1}}", "sampling.logit_bias" },
        { "'limits': {'minOutputTokens': 1}", "limits.min_output_tokens" },
        { "'output': {'logprobs': true}", "output.logprobs" },
        { "'output': {'topLogprobs': 1}", "output.top_logprobs" },
        { "'output': {'tokenIds': true}", "output.token_ids" },
        { "'output': {'responseFormat': {'jsonObject': {}}}", "output.response_format.json_object" },
        { "'reasoning': {'budgetTokens': 1023}", "reasoning.budget_tokens" },
        { "'reasoning': {'budgetTokens': 2000}, 'limits': {'maxOutputTokens': 2000}", "reasoning.budget_tokens" },
        { "'reasoning': {'budgetTokens': 2000, 'effort': 'REASONING_EFFORT_NONE'}", "reasoning.budget_tokens" },
        { "'reasoning': {'budgetTokens': 0, 'effort': 'REASONING_EFFORT_LOW'}", "reasoning.budget_tokens" },
        { "'reasoning': {'budgetTokens': 2000}, 'sampling': {'temperature': 0.5}", "sampling.temperature" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_LOW'}, 'sampling': {'topP': 0.9}", "sampling.top_p" },
        { "'reasoning': {'effort': 'REASONING_EFFORT_LOW'}, 'sampling': {'topK': 1}", "sampling.top_k" },
        {
            "'reasoning': {'budgetTokens': 2000}, 'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED'}",
            "tool_choice.mode"
        },
        { "'conversation': {'messages': [{'role': 'ROLE_SYSTEM', 'parts': [{'text': 'a'}]}]}", "conversation.messages" },
        { Part + "{'image': {'url': 'https://a', 'detail': 'IMAGE_DETAIL_LOW'}}]}]}", "conversation.messages[0].parts[1].image.detail" },
        { Part + "{'image': {'data': 'AA==', 'mediaType': 'image/tiff'}}]}]}", "conversation.messages[0].parts[1].image.media_type" },
        { Part + "{'toolCall': {'id': 'a.b', 'name': 't'}}]}]}", "conversation.messages[0].parts[1].tool_call.id" },
        { Part + "{'toolResult': {'toolCallId': 'a:b'}}]}]}", "conversation.messages[0].parts[1].tool_result.tool_call_id" },
        {
            Part + "{'toolResult': {'toolCallId': 'a', 'parts': [{'image': {'url': 'https://a', 'detail': 'IMAGE_DETAIL_HIGH'}}]}}]}]}",
            "conversation.messages[0].parts[1].tool_result.parts[0].image.detail"
        },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Find_FieldThatCannotBeHonoured_IsNamed(string members, string field) =>
        Find(members).ShouldHaveSingleItem().Field.ShouldBe(field);

    [Theory]
    [InlineData("'prompt': 'a'")]
    [InlineData("'sampling': {'temperature': 1, 'topP': 0.5, 'topK': 7, 'minP': 0, 'presencePenalty': 0, 'repetitionPenalty': 1}")]
    [InlineData("'reasoning': {'budgetTokens': 1024, 'effort': 'REASONING_EFFORT_HIGH'}, 'sampling': {'temperature': 1, 'topP': 0.95}")]
    [InlineData("'reasoning': {'budgetTokens': 0, 'effort': 'REASONING_EFFORT_NONE'}, 'sampling': {'temperature': 0}")]
    [InlineData("'output': {'responseFormat': {'jsonSchema': {'jsonSchema': '{}'}}}, 'limits': {'minOutputTokens': 0}")]
    [InlineData("'toolChoice': {'mode': 'TOOL_CHOICE_MODE_REQUIRED'}, 'endUserId': 'u', 'limits': {'stopSequences': ['x']}")]
    [InlineData(Part + "{'image': {'data': 'AA==', 'mediaType': 'image/webp'}}, {'toolCall': {'id': 'toolu_01-A', 'name': 't'}}]}]}")]
    public void Find_FieldsThatAreHonoured_NamesNone(string members) => Find(members).ShouldBeEmpty();

    [Theory]
    [InlineData("'reasoning': {'budgetTokens': 2000, 'effort': 'REASONING_EFFORT_LOW'}", "reasoning.budget_tokens")]
    [InlineData("'reasoning': {'effort': 'REASONING_EFFORT_LOW'}, 'limits': {'maxOutputTokens': 1024}", "reasoning.effort")]
    public void Find_EffortAsBudget_NamesWhatThenDoesNotFit(string members, string field) =>
        Find(members, new AnthropicOptions { EffortAsBudget = true }).ShouldHaveSingleItem().Field.ShouldBe(field);

    private static Violations Find(string members, AnthropicOptions? options = null)
    {
        var violations = new Violations();
        AnthropicUnsupported.Find(AnthropicRequestTests.Parse(members), options ?? new AnthropicOptions(), violations);
        return violations;
    }
}
