using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Gemini;

/// <summary>Conversations, as they go to the provider. JSON is written with single quotes here.</summary>
public sealed class GeminiContentsTests
{
    [Fact]
    public void Write_Prompt_IsOneUserTurn()
    {
        var body = GeminiRequestTests.Written(GeminiRequestTests.Request("'labels': {}"));

        GeminiRequestTests.ShouldBe(body["contents"], "[{'role': 'user', 'parts': [{'text': 'p'}]}]");
        body.ContainsKey("systemInstruction").ShouldBeFalse();
    }

    [Fact]
    public void Write_Conversation_KeepsRolesPartsAndOrder()
    {
        var body = GeminiRequestTests.Written(Talk("""
            {'role': 'ROLE_SYSTEM', 'parts': [{'text': 's1'}, {'text': 's2'}]},
            {'role': 'ROLE_USER', 'parts': [{'text': 'a'}, {'image': {'data': 'AQID', 'mediaType': 'image/png', 'detail': 'IMAGE_DETAIL_LOW'}}, {'text': 'b'}]},
            {'role': 'ROLE_ASSISTANT', 'parts': [{'reasoning': 'r'}, {'text': ''}, {'text': 't'}, {'refusal': 'n'}]},
            {'role': 'ROLE_USER', 'parts': [{'text': 'c'}]}
            """));

        GeminiRequestTests.ShouldBe(body["systemInstruction"], "{'parts': [{'text': 's1'}, {'text': 's2'}]}");
        GeminiRequestTests.ShouldBe(body["contents"], """
            [{'role': 'user', 'parts': [{'text': 'a'}, {'inlineData': {'mimeType': 'image/png', 'data': 'AQID'}}, {'text': 'b'}]},
             {'role': 'model', 'parts': [{'text': 'r', 'thought': true}, {'text': 't'}, {'text': 'n'}]},
             {'role': 'user', 'parts': [{'text': 'c'}]}]
            """);
        GeminiRequestTests.ShouldBe(body["generationConfig"], "{'mediaResolution': 'MEDIA_RESOLUTION_LOW'}");
    }

    [Fact]
    public void Write_ToolResults_AreOneTurnWithTheirNames()
    {
        var body = GeminiRequestTests.Written(Talk("""
            {'role': 'ROLE_USER', 'parts': [{'text': 'q'}]},
            {'role': 'ROLE_ASSISTANT', 'parts': [{'toolCall': {'id': 'c1', 'name': 'add', 'argumentsJson': '{\'a\':1.0}'}}, {'toolCall': {'id': 'c2', 'name': 'now'}}]},
            {'role': 'ROLE_TOOL', 'parts': [{'toolResult': {'toolCallId': 'c1', 'parts': [{'text': '{\'x\''}, {'text': ':1}'}, {'image': {'data': 'AQID', 'mediaType': 'image/png'}}]}}]},
            {'role': 'ROLE_TOOL', 'parts': [{'toolResult': {'toolCallId': 'c2', 'name': 'own', 'isError': true}}]},
            {'role': 'ROLE_ASSISTANT', 'parts': [{'text': 'done'}]}
            """));

        GeminiRequestTests.ShouldBe(body["contents"], """
            [{'role': 'user', 'parts': [{'text': 'q'}]},
             {'role': 'model', 'parts': [{'functionCall': {'id': 'c1', 'name': 'add', 'args': {'a': 1.0}}}, {'functionCall': {'id': 'c2', 'name': 'now', 'args': {}}}]},
             {'role': 'user', 'parts': [
               {'functionResponse': {'id': 'c1', 'name': 'add', 'response': {'output': '{\'x\':1}'}, 'parts': [{'inlineData': {'mimeType': 'image/png', 'data': 'AQID'}}]}},
               {'functionResponse': {'id': 'c2', 'name': 'own', 'response': {'error': ''}}}]},
             {'role': 'model', 'parts': [{'text': 'done'}]}]
            """);
    }

    [Fact]
    public void Write_OwnSignatures_GoBackOnTheirParts()
    {
        var request = Answered("gemini");

        GeminiRequestTests.ShouldBe(GeminiRequestTests.Written(request, "gemini-3-pro")["contents"]![1]!["parts"], """
            [{'text': 'r', 'thought': true, 'thoughtSignature': 's0'}, {'text': 't', 'thoughtSignature': 's1'},
             {'functionCall': {'id': 'c', 'name': 'n', 'args': {}}, 'thoughtSignature': 's2'}, {'functionCall': {'id': 'd', 'name': 'n', 'args': {}}},
             {'text': '', 'thoughtSignature': 's4'}]
            """);
    }

    [Theory]
    [InlineData("gemini-3-pro", ", 'thoughtSignature': 'skip_thought_signature_validator'")]
    [InlineData("gemini-2.5-pro", "")]
    public void Write_SignaturesOfAnotherKind_AreLeftOut(string model, string stand)
    {
        var request = Answered("anthropic");

        GeminiRequestTests.ShouldBe(GeminiRequestTests.Written(request, model)["contents"]![1]!["parts"],
            "[{'text': 'r', 'thought': true}, {'text': 't'}, {'functionCall': {'id': 'c', 'name': 'n', 'args': {}}" + stand
            + "}, {'functionCall': {'id': 'd', 'name': 'n', 'args': {}}}]");
    }

    [Fact]
    public void FindUnsupported_InConversation_IsRefusedByPlace() => GeminiRequestTests.Refused(Talk("""
        {'role': 'ROLE_SYSTEM', 'parts': [{'text': 's'}]},
        {'role': 'ROLE_USER', 'parts': [{'image': {'url': 'https://a/b.png'}}, {'image': {'data': 'AQ==', 'mediaType': 'image/png', 'detail': 'IMAGE_DETAIL_HIGH'}}]},
        {'role': 'ROLE_SYSTEM', 'parts': [{'text': 's'}]},
        {'role': 'ROLE_TOOL', 'parts': [{'toolResult': {'toolCallId': 'c', 'name': 'n', 'parts': [{'image': {'url': 'https://a/b.png', 'detail': 'IMAGE_DETAIL_HIGH'}}]}}]}
        """)).ShouldBe([
            "conversation.messages[1].parts[0].image.url", "conversation.messages[1].parts[1].image.detail",
            "conversation.messages[2].role", "conversation.messages[3].parts[0].tool_result.parts[0].image.url",
        ]);

    private static GenerateRequest Talk(string messages) =>
        GenerateRequest.Parser.ParseJson($"{{'conversation': {{'messages': [{messages}]}}}}".Replace('\'', '"'));

    /// <summary>A conversation with an answer of which most parts are signed by a backend of a kind.</summary>
    private static GenerateRequest Answered(string kind)
    {
        var request = Talk("""
            {'role': 'ROLE_USER', 'parts': [{'text': 'q'}]},
            {'role': 'ROLE_ASSISTANT', 'parts': [{'reasoning': 'r'}, {'text': 't'}, {'toolCall': {'id': 'c', 'name': 'n'}}, {'toolCall': {'id': 'd', 'name': 'n'}}, {'reasoning': ''}]}
            """);
        foreach (var index in new[] { 0, 1, 2, 4 })
            request.Conversation.Messages[1].Parts[index].Signature = SignatureEnvelope.Wrap(kind, $"s{index}");
        return request;
    }
}
