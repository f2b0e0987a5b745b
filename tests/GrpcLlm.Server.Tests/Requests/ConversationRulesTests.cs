using Google.Protobuf;
using GrpcLlm.V1;
using static GrpcLlm.Server.Tests.Requests.Given;
using Content = GrpcLlm.V1.ContentPart.ContentOneofCase;

namespace GrpcLlm.Server.Tests.Requests;

public sealed class ConversationRulesTests
{
    private const string Part = "conversation.messages[0].parts[0]";

    private static readonly Dictionary<Content, ContentPart> Parts = new()
    {
        [Content.Text] = new ContentPart { Text = "t" },
        [Content.Image] = new ContentPart { Image = new Image { Url = "https://example.com/a.png" } },
        [Content.Reasoning] = new ContentPart { Reasoning = "" },
        [Content.ToolCall] = new ContentPart { ToolCall = new ToolCall { Id = "1", Name = "n" } },
        [Content.ToolResult] = new ContentPart { ToolResult = new ToolResult { ToolCallId = "1", Name = "n" } },
        [Content.Refusal] = new ContentPart { Refusal = "no" },
    };

    [Fact]
    public void Conversation_Empty_IsRefused() => FieldsOf(Conversation()).ShouldBe(["conversation.messages"]);

    [Theory]
    [InlineData(Role.Unspecified)]
    [InlineData((Role)5)]
    [InlineData((Role)(-1))]
    public void Role_MissingOrUnknown_IsNamedAlone(Role role) =>
        FieldsOf(Message(role, Parts[Content.Text])).ShouldBe(["conversation.messages[0].role"]);

    [Fact]
    public void Parts_Empty_AreRefused() => FieldsOf(Message(Role.User)).ShouldBe(["conversation.messages[0].parts"]);

    [Fact]
    public void Content_Missing_IsRefused() =>
        FieldsOf(Message(Role.User, new ContentPart())).ShouldBe([$"{Part}.content"]);

    [Theory]
    [InlineData(Role.System, Content.Text)]
    [InlineData(Role.User, Content.Text, Content.Image)]
    [InlineData(Role.Assistant, Content.Text, Content.Reasoning, Content.ToolCall, Content.Refusal)]
    [InlineData(Role.Tool, Content.ToolResult)]
    public void Content_ThatTheRoleCannotHold_IsRefused(Role role, params ContentPart.ContentOneofCase[] allowed)
    {
        foreach (var (content, part) in Parts)
            FieldsOf(Message(role, part)).ShouldBe(allowed.Contains(content) ? [] : [Part], $"{role} {content}");
    }

    [Fact]
    public void Paths_OfLaterMessages_TellTheirPlace()
    {
        var good = new ConversationMessage { Role = Role.User, Parts = { Parts[Content.Text] } };
        var bad = new ConversationMessage { Role = Role.User, Parts = { Parts[Content.Text], new ContentPart() } };

        FieldsOf(Conversation(good, bad)).ShouldBe(["conversation.messages[1].parts[1].content"]);
    }

    [Theory]
    [InlineData("https://example.com/a.png", true)]
    [InlineData("HTTPS://example.com/a.png", true)]
    [InlineData("http://example.com/a.png", false)]
    [InlineData("/a.png", false)]
    [InlineData("file:///etc/passwd", false)]
    [InlineData("data:image/png;base64,AA==", false)]
    [InlineData("", false)]
    public void ImageUrl_OtherThanHttps_IsRefused(string url, bool valid) =>
        FieldsOf(Message(Role.User, new ContentPart { Image = new Image { Url = url } }))
            .ShouldBe(valid ? [] : [$"{Part}.image.url"]);

    [Fact]
    public void Image_WithoutSource_IsRefused() =>
        FieldsOf(Message(Role.User, new ContentPart { Image = new Image() })).ShouldBe([$"{Part}.image.source"]);

    [Fact]
    public void ImageData_EmptyAndWithoutType_NamesBoth() =>
        FieldsOf(Message(Role.User, new ContentPart { Image = new Image { Data = ByteString.Empty } }))
            .ShouldBe([$"{Part}.image.data", $"{Part}.image.media_type"]);

    [Fact]
    public void ImageDetail_Unknown_IsRefused() =>
        FieldsOf(Message(Role.User, new ContentPart
        {
            Image = new Image { Data = ByteString.CopyFrom(1), MediaType = "image/png", Detail = (ImageDetail)3 },
        })).ShouldBe([$"{Part}.image.detail"]);

    [Fact]
    public void ToolCall_WithoutIdAndNameAndObject_NamesAll() =>
        FieldsOf(Message(Role.Assistant, new ContentPart { ToolCall = new ToolCall { ArgumentsJson = "[]" } }))
            .ShouldBe([$"{Part}.tool_call.id", $"{Part}.tool_call.name", $"{Part}.tool_call.arguments_json"]);

    [Fact]
    public void ToolResult_WithoutId_IsRefused() =>
        FieldsOf(Message(Role.Tool, new ContentPart { ToolResult = new ToolResult { Name = "n" } }))
            .ShouldBe([$"{Part}.tool_result.tool_call_id"]);

    [Fact]
    public void ToolResult_WithoutName_TakesThatOfTheCallBefore()
    {
        var call = new ConversationMessage { Role = Role.Assistant, Parts = { Parts[Content.ToolCall] } };
        var answer = new ConversationMessage
        {
            Role = Role.Tool, Parts = { new ContentPart { ToolResult = new ToolResult { ToolCallId = "1" } } },
        };

        FieldsOf(Conversation(call, answer)).ShouldBeEmpty();
        FieldsOf(Conversation(answer, call)).ShouldBe([$"{Part}.tool_result.name"]);
    }

    [Fact]
    public void ToolResult_PartsOtherThanTextAndImage_AreNamed()
    {
        var result = new ToolResult
        {
            ToolCallId = "1",
            Name = "n",
            Parts = { Parts[Content.Text], Parts[Content.Reasoning], new ContentPart { Image = new Image { Url = "x" } } },
        };

        FieldsOf(Message(Role.Tool, new ContentPart { ToolResult = result })).ShouldBe(
            [$"{Part}.tool_result.parts[1].content", $"{Part}.tool_result.parts[2].image.url"]);
    }
}
