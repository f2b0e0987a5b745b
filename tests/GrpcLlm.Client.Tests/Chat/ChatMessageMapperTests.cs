using System.Text.Json;
using Google.Protobuf;
using GrpcLlm.Client.Chat;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;

namespace GrpcLlm.Client.Tests.Chat;

public sealed class ChatMessageMapperTests
{
    private static readonly byte[] Pixels = [0x89, 0x50, 0x4e, 0x47];

    [Fact]
    public void Roles_AreMapped() =>
        new[] { ChatRole.System, new ChatRole("developer"), ChatRole.User, ChatRole.Assistant, ChatRole.Tool }
            .Select(role => Map(new ChatMessage(role, "x")).Role)
            .ShouldBe([Role.System, Role.System, Role.User, Role.Assistant, Role.Tool]);

    [Fact]
    public void Images_OfBytesAndOfAddresses_AreMapped()
    {
        var message = Map(new ChatMessage(ChatRole.User,
        [
            new TextContent("What is this?"),
            new DataContent(Pixels, "image/png"),
            new DataContent("data:image/jpeg;base64,AQID"),
            new UriContent("https://example.org/a.png", "image/png") { AdditionalProperties = new() { ["detail"] = "high" } },
            new UriContent("data:image/gif;base64,AQID", "image/gif"),
        ]));

        message.Parts.ShouldBe([
            new ContentPart { Text = "What is this?" },
            new ContentPart { Image = new Image { Data = ByteString.CopyFrom(Pixels), MediaType = "image/png" } },
            new ContentPart { Image = new Image { Data = ByteString.CopyFrom(1, 2, 3), MediaType = "image/jpeg" } },
            new ContentPart { Image = new Image { Url = "https://example.org/a.png", MediaType = "image/png", Detail = ImageDetail.High } },
            new ContentPart { Image = new Image { Data = ByteString.CopyFrom(1, 2, 3), MediaType = "image/gif" } },
        ]);
    }

    [Fact]
    public void FunctionCall_Arguments_KeepOrderAndDigits()
    {
        var call = ChatContents.OfCall("c1", "weather", """{"z": 1.50, "a": {"n": null, "big": 12345678901234567890}, "none": null}""");
        call.Exception.ShouldBeNull();

        Map(new ChatMessage(ChatRole.Assistant, [call])).Parts.Single().ToolCall.ShouldBe(new ToolCall
        {
            Id = "c1",
            Name = "weather",
            ArgumentsJson = """{"z":1.50,"a":{"n":null,"big":12345678901234567890},"none":null}""",
        });
    }

    [Fact]
    public void FunctionCall_MadeByTheApplication_IsWritten()
    {
        var call = new FunctionCallContent("c1", "f", new Dictionary<string, object?>(StringComparer.Ordinal) { ["n"] = 1, ["s"] = "é" });

        JsonElement.Parse(Map(new ChatMessage(ChatRole.Assistant, [call])).Parts.Single().ToolCall.ArgumentsJson)
            .GetProperty("s").GetString().ShouldBe("é");
        Map(new ChatMessage(ChatRole.Assistant, [new FunctionCallContent("c2", "g")])).Parts.Single().ToolCall.ArgumentsJson.ShouldBe("{}");
    }

    public static TheoryData<object?, string[]> Results => new()
    {
        { null, [] },
        { "sunny", ["sunny"] },
        { 21.5, ["21.5"] },
        { new Dictionary<string, int>(StringComparer.Ordinal) { ["t"] = 21 }, ["""{"t":21}"""] },
        { JsonElement.Parse("\"sunny\""), ["sunny"] },
        { JsonElement.Parse("null"), [] },
        { JsonElement.Parse("""{"t": 21.0}"""), ["""{"t":21.0}"""] },
        { new TextContent("sunny"), ["sunny"] },
        { new AIContent[] { new TextContent("a"), new TextContent("b") }, ["a", "b"] },
    };

    [Theory]
    [MemberData(nameof(Results), DisableDiscoveryEnumeration = true)]
    public void FunctionResult_OfAnyKind_IsText(object? result, string[] texts)
    {
        var mapped = Map(new ChatMessage(ChatRole.Tool, [new FunctionResultContent("c1", result)])).Parts.Single().ToolResult;

        mapped.ToolCallId.ShouldBe("c1");
        mapped.IsError.ShouldBeFalse();
        mapped.Parts.Select(part => part.Text).ShouldBe(texts);
    }

    [Fact]
    public void FunctionResult_Image_IsAnImage() =>
        Map(new ChatMessage(ChatRole.Tool, [new FunctionResultContent("c1", new DataContent(Pixels, "image/png"))]))
            .Parts.Single().ToolResult.Parts.Single().Image.MediaType.ShouldBe("image/png");

    [Fact]
    public void FunctionResult_Failure_IsAnErrorAndDoesNotTellTheException()
    {
        var exception = new InvalidOperationException("password is wrong");

        var mute = Map(new ChatMessage(ChatRole.Tool, [new FunctionResultContent("c1", null) { Exception = exception }])).Parts.Single().ToolResult;
        var told = Map(new ChatMessage(ChatRole.Tool, [new FunctionResultContent("c1", "Error: no such city") { Exception = exception }])).Parts.Single().ToolResult;

        mute.IsError.ShouldBeTrue();
        mute.Parts.Single().Text.ShouldBe("The function failed.");
        told.IsError.ShouldBeTrue();
        told.Parts.Single().Text.ShouldBe("Error: no such city");
    }

    [Fact]
    public void ContentPart_AsRawRepresentation_IsSentAsItIs()
    {
        var part = new ContentPart { Text = "x", Signature = ByteString.CopyFrom(1) };

        Map(new ChatMessage(ChatRole.Assistant, [new AIContent { RawRepresentation = part }])).Parts.Single().ShouldBe(part);
    }

    [Fact]
    public void ContentPart_NothingButASignature_IsReasoningWithoutText()
    {
        foreach (var part in new[] { new ContentPart { Text = "" }, new ContentPart { Reasoning = "" }, new ContentPart { Refusal = "" } })
        {
            part.Signature = ByteString.CopyFrom(1, 2, 3);
            var content = ChatContents.Of(part).Single().ShouldBeOfType<TextReasoningContent>();

            content.ProtectedData.ShouldBe("AQID");
            Map(new ChatMessage(ChatRole.Assistant, [new TextContent("before"), content])).Parts[1]
                .ShouldBe(new ContentPart { Reasoning = "", Signature = part.Signature });
        }
    }

    [Fact]
    public void Message_ThatSaysNothing_IsLeftOut()
    {
        var refusals = new ChatRefusals();

        new ChatMessageMapper("m", refusals).Map(new ChatMessage(ChatRole.Assistant, [])).ShouldBeNull();
        new ChatMessageMapper("m", refusals).Map(new ChatMessage(ChatRole.Assistant, [new TextContent(""), new UsageContent()])).ShouldBeNull();
        refusals.ThrowIfAny();
    }

    [Fact]
    public void Message_OfTheApplicationsOwnNotes_IsSentWithoutThem()
    {
        var message = new ChatMessage(ChatRole.User, [new TextContent("hi") { AdditionalProperties = new() { ["seen"] = true } }])
        {
            AuthorName = "ada",
            MessageId = "m1",
            AdditionalProperties = new() { ["thread"] = 7 },
        };

        Map(message).ShouldBe(new ConversationMessage { Role = Role.User, Parts = { new ContentPart { Text = "hi" } } });
    }

    public static TheoryData<AIContent, string> WithoutAPlace => new()
    {
        { new DataContent(Pixels, "audio/wav"), "messages[0].contents[0]" },
        { new UriContent("https://example.org/a.pdf", "application/pdf"), "messages[0].contents[0]" },
        { new DataContent(Pixels, "image/png") { AdditionalProperties = new() { ["detail"] = "extreme" } }, "messages[0].contents[0].AdditionalProperties[detail]" },
        { new HostedFileContent("f"), "messages[0].contents[0]" },
        { new ErrorContent("broken"), "messages[0].contents[0]" },
        { new AIContent(), "messages[0].contents[0]" },
        { new FunctionResultContent("c", new HostedFileContent("f")), "messages[0].contents[0].Result" },
        { new FunctionResultContent("c", new AIContent[] { new TextContent("a"), new HostedFileContent("f") }), "messages[0].contents[0].Result[1]" },
        { ChatContents.OfCutCall("c", "f"), "messages[0].contents[0]" },
        { new TextReasoningContent("x") { ProtectedData = "another service's" }, "messages[0].contents[0].ProtectedData" },
        { new TextReasoningContent("x") { ProtectedData = "other:AQID" }, "messages[0].contents[0].ProtectedData" },
        { new TextReasoningContent("") { ProtectedData = "text:AQID" }, "messages[0].contents[0].ProtectedData" },
        { new TextReasoningContent("") { ProtectedData = "tool_call:c9:AQID" }, "messages[0].contents[0].ProtectedData" },
    };

    [Theory]
    [MemberData(nameof(WithoutAPlace), DisableDiscoveryEnumeration = true)]
    public void Content_WithoutAPlaceInTheContract_IsRefusedByPath(AIContent content, string path) =>
        Should.Throw<GenerationException>(() => Map(new ChatMessage(ChatRole.Assistant, [content])))
            .Violations.Single().Field.ShouldBe(path);

    private static ConversationMessage Map(ChatMessage message)
    {
        var refusals = new ChatRefusals();
        var mapped = new ChatMessageMapper("messages[0]", refusals).Map(message);
        refusals.ThrowIfAny();
        return mapped.ShouldNotBeNull();
    }
}
