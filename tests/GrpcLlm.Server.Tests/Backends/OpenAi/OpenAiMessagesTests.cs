namespace GrpcLlm.Server.Tests.Backends.OpenAi;

/// <summary>Messages of a conversation, as they go to the provider.</summary>
public sealed class OpenAiMessagesTests
{
    // Messages in protobuf's JSON form, and in the provider's.
    public static TheoryData<string, string> Messages => new()
    {
        { "{'role': 'ROLE_SYSTEM', 'parts': [{'text': 's'}]}", "{'role': 'system', 'content': 's'}" },
        {
            "{'role': 'ROLE_USER', 'parts': [{'text': 'a'}, {'text': 'b'}]}",
            "{'role': 'user', 'content': [{'type': 'text', 'text': 'a'}, {'type': 'text', 'text': 'b'}]}"
        },
        {
            "{'role': 'ROLE_USER', 'parts': [{'text': 'a'}, {'image': {'url': 'https://e.example/i.png', 'detail': 'IMAGE_DETAIL_LOW'}}]}",
            "{'role': 'user', 'content': [{'type': 'text', 'text': 'a'}, {'type': 'image_url', 'image_url': {'url': 'https://e.example/i.png', 'detail': 'low'}}]}"
        },
        {
            "{'role': 'ROLE_USER', 'parts': [{'image': {'data': '+/8=', 'mediaType': 'image/png', 'detail': 'IMAGE_DETAIL_HIGH'}}]}",
            "{'role': 'user', 'content': [{'type': 'image_url', 'image_url': {'url': 'data:image/png;base64,+/8=', 'detail': 'high'}}]}"
        },
        {
            "{'role': 'ROLE_USER', 'parts': [{'image': {'url': 'https://e.example/i'}}]}",
            "{'role': 'user', 'content': [{'type': 'image_url', 'image_url': {'url': 'https://e.example/i'}}]}"
        },
        {
            "{'role': 'ROLE_ASSISTANT', 'parts': [{'reasoning': 'r', 'signature': 'b3BlbmFpAHg='}, {'text': 'a'}, {'text': 'b'}]}",
            "{'role': 'assistant', 'content': 'ab'}"
        },
        { "{'role': 'ROLE_ASSISTANT', 'parts': [{'refusal': 'No.'}]}", "{'role': 'assistant', 'content': null, 'refusal': 'No.'}" },
        {
            "{'role': 'ROLE_ASSISTANT', 'parts': [{'text': 't'}, {'toolCall': {'id': 'c1', 'name': 'add', 'argumentsJson': '{}'}}, "
            + "{'toolCall': {'id': 'c2', 'name': 'now'}}]}",
            "{'role': 'assistant', 'content': 't', 'tool_calls': ["
            + "{'id': 'c1', 'type': 'function', 'function': {'name': 'add', 'arguments': '{}'}}, "
            + "{'id': 'c2', 'type': 'function', 'function': {'name': 'now', 'arguments': '{}'}}]}"
        },
        {
            "{'role': 'ROLE_TOOL', 'parts': [{'toolResult': {'toolCallId': 'c1', 'name': 'add', 'parts': [{'text': '3'}]}}]}",
            "{'role': 'tool', 'tool_call_id': 'c1', 'content': '3'}"
        },
        {
            "{'role': 'ROLE_TOOL', 'parts': [{'toolResult': {'toolCallId': 'c1', 'parts': [{'text': '3'}, {'text': '4'}]}}]}",
            "{'role': 'tool', 'tool_call_id': 'c1', 'content': [{'type': 'text', 'text': '3'}, {'type': 'text', 'text': '4'}]}"
        },
        { "{'role': 'ROLE_TOOL', 'parts': [{'toolResult': {'toolCallId': 'c1'}}]}", "{'role': 'tool', 'tool_call_id': 'c1', 'content': ''}" },
        {
            "{'role': 'ROLE_TOOL', 'parts': [{'toolResult': {'toolCallId': 'c1', 'isError': true}}]}",
            "{'role': 'tool', 'tool_call_id': 'c1', 'content': 'error'}"
        },
        {
            "{'role': 'ROLE_TOOL', 'parts': [{'toolResult': {'toolCallId': 'a'}}, {'toolResult': {'toolCallId': 'b'}}]}",
            "{'role': 'tool', 'tool_call_id': 'a', 'content': ''}, {'role': 'tool', 'tool_call_id': 'b', 'content': ''}"
        },
        { "{'role': 'ROLE_ASSISTANT', 'parts': [{'reasoning': 'only'}]}", "" },
    };

    [Theory]
    [MemberData(nameof(Messages))]
    public void Write_Message_IsTheProvidersForm(string message, string expected)
    {
        var body = OpenAiRequestTests.Write($"{{'conversation': {{'messages': [{message}]}}}}");

        OpenAiRequestTests.ShouldBeJson(body["messages"], $"[{expected}]");
    }

    [Fact]
    public void Write_WholeToolLoop_KeepsTheOrder()
    {
        var body = OpenAiRequestTests.Write(
            "{'conversation': {'messages': ["
            + "{'role': 'ROLE_SYSTEM', 'parts': [{'text': 's'}]}, {'role': 'ROLE_USER', 'parts': [{'text': 'u'}]}, "
            + "{'role': 'ROLE_ASSISTANT', 'parts': [{'toolCall': {'id': 'c', 'name': 'f'}}]}, "
            + "{'role': 'ROLE_TOOL', 'parts': [{'toolResult': {'toolCallId': 'c', 'parts': [{'text': 'r'}]}}]}]}}");

        body["messages"]!.AsArray().Select(message => message!["role"]!.GetValue<string>())
            .ShouldBe(["system", "user", "assistant", "tool"]);
    }
}
