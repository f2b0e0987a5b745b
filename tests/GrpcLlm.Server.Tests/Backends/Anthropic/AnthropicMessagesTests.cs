using System.Text.Json.Nodes;
using Google.Protobuf;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Anthropic;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Tests.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Anthropic;

public sealed class AnthropicMessagesTests
{
    private static readonly ContentPart Hello = new() { Text = "hello" };

    [Fact]
    public void Write_SystemMessages_BecomeBlocksOfSystemInOrder()
    {
        var body = BodyOf(
            Of(Role.System, new ContentPart { Text = "one" }), Of(Role.User, Hello),
            Of(Role.System, new ContentPart { Text = "two" }, new ContentPart { Text = "" }));

        ShouldBe(body["system"], "[{'type':'text','text':'one'},{'type':'text','text':'two'}]");
        ShouldBe(body["messages"], "[{'role':'user','content':[{'type':'text','text':'hello'}]}]");
    }

    [Fact]
    public void Write_Images_BecomeSources()
    {
        var body = BodyOf(Of(
            Role.User,
            new ContentPart { Image = new Image { Data = ByteString.CopyFrom(1, 2, 255), MediaType = "image/png" } },
            new ContentPart { Image = new Image { Url = "https://a/b.png" } }));

        ShouldBe(
            body["messages"]![0]!["content"],
            "[{'type':'image','source':{'type':'base64','media_type':'image/png','data':'AQL/'}},"
            + "{'type':'image','source':{'type':'url','url':'https://a/b.png'}}]");
    }

    [Fact]
    public void Write_ToolLoop_KeepsSignedPartsWithTheirBoundariesAndGathersResults()
    {
        var body = BodyOf(
            Of(Role.User, Hello),
            Of(
                Role.Assistant,
                new ContentPart { Reasoning = "first", Signature = AnthropicSignature.OfThinking("s1") },
                new ContentPart { Signature = AnthropicSignature.OfRedacted("r1"), Reasoning = "" },
                new ContentPart { Reasoning = "second", Signature = AnthropicSignature.OfThinking("s2") },
                new ContentPart { Text = "let me see" },
                Call("c1", "{\"b\":1.0, \"a\":2}"), Call("c2", "")),
            Of(Role.Tool, Result("c1", false, new ContentPart { Text = "7" })),
            Of(Role.Tool, Result("c2", true)));

        ShouldBe(
            body["messages"]![1]!["content"],
            "[{'type':'thinking','thinking':'first','signature':'s1'},{'type':'redacted_thinking','data':'r1'},"
            + "{'type':'thinking','thinking':'second','signature':'s2'},{'type':'text','text':'let me see'},"
            + "{'type':'tool_use','id':'c1','name':'t','input':{'b':1.0,'a':2}},"
            + "{'type':'tool_use','id':'c2','name':'t','input':{}}]");
        ShouldBe(
            body["messages"]![2],
            "{'role':'user','content':[{'type':'tool_result','tool_use_id':'c1','content':[{'type':'text','text':'7'}]},"
            + "{'type':'tool_result','tool_use_id':'c2','is_error':true}]}");
        body["messages"]!.AsArray().Count.ShouldBe(3);
    }

    [Fact]
    public void Write_ToolResultWithImage_HoldsIt()
    {
        var body = BodyOf(Of(Role.Tool, Result(
            "c", false, new ContentPart { Image = new Image { Url = "https://a/b" } }, new ContentPart { Text = "" })));

        ShouldBe(
            body["messages"]![0]!["content"]![0]!["content"], "[{'type':'image','source':{'type':'url','url':'https://a/b'}}]");
    }

    [Fact]
    public void Write_ReasoningOfAnotherKindOrUnsigned_IsLeftOutAndSoIsAMessageOfNothingElse()
    {
        var body = BodyOf(
            Of(Role.User, Hello),
            Of(Role.Assistant, new ContentPart { Reasoning = "a" }),
            Of(
                Role.Assistant,
                new ContentPart { Reasoning = "b", Signature = SignatureEnvelope.Wrap("gemini", "signature:x") },
                new ContentPart { Text = "c", Signature = SignatureEnvelope.Wrap("gemini", "y") },
                new ContentPart { Refusal = "d" }));

        ShouldBe(
            body["messages"],
            "[{'role':'user','content':[{'type':'text','text':'hello'}]},"
            + "{'role':'assistant','content':[{'type':'text','text':'c'},{'type':'text','text':'d'}]}]");
    }

    [Fact]
    public void Write_AdjacentUserMessages_StayApart() =>
        BodyOf(Of(Role.User, Hello), Of(Role.User, Hello))["messages"]!.AsArray().Count.ShouldBe(2);

    private static ConversationMessage Of(Role role, params ContentPart[] parts) => new() { Role = role, Parts = { parts } };

    private static ContentPart Call(string id, string arguments) =>
        new() { ToolCall = new ToolCall { Id = id, Name = "t", ArgumentsJson = arguments } };

    private static ContentPart Result(string id, bool isError, params ContentPart[] parts) =>
        new() { ToolResult = new ToolResult { ToolCallId = id, IsError = isError, Parts = { parts } } };

    private static JsonObject BodyOf(params ConversationMessage[] messages) =>
        JsonNode.Parse(AnthropicRequestTests.TextOf(new BackendCall(Given.Conversation(messages), "m")))!.AsObject();

    private static void ShouldBe(JsonNode? node, string expected) =>
        node.ShouldNotBeNull().ToJsonString().ShouldBe(JsonNode.Parse(expected.Replace('\'', '"'))!.ToJsonString());
}
