using System.Text.Json;
using Google.Protobuf;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Telemetry;

public sealed class ContentMessagesTests
{
    [Fact]
    public void Input_OfEveryKindOfPart_HoldsTextsAndNamesTheRest()
    {
        var request = new GenerateRequest
        {
            Conversation = new Conversation
            {
                Messages =
                {
                    Message(Role.User,
                        new ContentPart { Text = "see" },
                        new ContentPart { Image = new Image { Url = "https://x.example/1?sig=top-secret" } },
                        new ContentPart { Image = new Image { Data = ByteString.CopyFromUtf8("bytes"), MediaType = "image/png" } }),
                    Message(Role.Assistant,
                        new ContentPart { Reasoning = "hm", Signature = ByteString.CopyFromUtf8("sig") },
                        new ContentPart { ToolCall = new ToolCall { Id = "c1", Name = "f", ArgumentsJson = """{"k":"top-secret"}""" } }),
                    Message(Role.Tool, new ContentPart
                    {
                        ToolResult = new ToolResult { ToolCallId = "c1", Parts = { new ContentPart { Text = "top-" }, new ContentPart { Text = "secret" } } },
                    }),
                    Message(Role.Assistant, new ContentPart { Refusal = "no" }),
                },
            },
        };

        var json = ContentMessages.OfInput(Capture(request));

        JsonDocument.Parse(json).RootElement.EnumerateArray().Select(static message => message.GetProperty("role").GetString())
            .ShouldBe(["user", "assistant", "tool", "assistant"]);
        Parts(json).ShouldBe(
        [
            """{"type":"text","content":"see"}""",
            """{"type":"uri","modality":"image","uri":"https://x.example/1?sig=#"}""",
            """{"type":"blob","modality":"image","mime_type":"image/png","size_bytes":5}""",
            """{"type":"reasoning","content":"hm"}""",
            """{"type":"tool_call","id":"c1","name":"f","arguments":"{\u0022k\u0022:\u0022#\u0022}"}""",
            """{"type":"tool_call_response","id":"c1","response":"#"}""",
            """{"type":"refusal","content":"no"}""",
        ]);
    }

    [Fact]
    public void Output_OfInterleavedParts_JoinsEach()
    {
        var capture = Capture(new GenerateRequest { Prompt = "p" });
        capture.Add(new TokenChunk { Reasoning = "th" });
        capture.Add(new TokenChunk { PartIndex = 1, Text = "top-" });
        capture.Add(new TokenChunk { PartIndex = 2, ToolCall = new ToolCallDelta { Index = 0, Id = "c0", Name = "f", ArgumentsFragment = "{" } });
        capture.Add(new TokenChunk { PartIndex = 3, ToolCall = new ToolCallDelta { Index = 1, Id = "c1", Name = "g" } });
        capture.Add(new TokenChunk { PartIndex = 2, ToolCall = new ToolCallDelta { Index = 0, ArgumentsFragment = "}" } });
        capture.Add(new TokenChunk { PartIndex = 1, Text = "secret" });
        capture.Add(new TokenChunk { Finish = new Finish() });

        Parts(ContentMessages.OfOutput(capture, "tool_calls")).ShouldBe(
        [
            """{"type":"reasoning","content":"th"}""",
            """{"type":"text","content":"#"}""",
            """{"type":"tool_call","id":"c0","name":"f","arguments":"{}"}""",
            """{"type":"tool_call","id":"c1","name":"g","arguments":""}""",
        ]);
    }

    [Fact]
    public void Text_LongerThanAllowed_IsCutAfterItIsRedacted()
    {
        // The cut would fall into the secret.
        var capture = Capture(new GenerateRequest { Prompt = new string('x', 1020) + "top-secret" + new string('y', 5000) });

        var part = JsonDocument.Parse(ContentMessages.OfInput(capture)).RootElement[0].GetProperty("parts")[0];

        part.GetProperty("content").GetString().ShouldBe(new string('x', 1020) + "#yyy");
        part.GetProperty("truncated").GetBoolean().ShouldBeTrue();
    }

    [Fact]
    public void Answer_LongerThanIsKept_IsNotWrittenAtAll()
    {
        var capture = Capture(new GenerateRequest { Prompt = "p" });
        capture.Add(new TokenChunk { Text = new string('x', ContentCapture.MaxChars) });
        capture.IsTooLong.ShouldBeFalse();
        capture.Add(new TokenChunk { Text = "y" });
        capture.Add(new TokenChunk { Text = "z" });

        Parts(ContentMessages.OfOutput(capture, "stop")).ShouldBe(["""{"type":"text","content":"","truncated":true}"""]);
    }

    [Fact]
    public void Text_OfControlCharacters_StaysOneLine() =>
        ContentMessages.OfInput(Capture(new GenerateRequest { Prompt = "a\r\nb\u2028\u001b[31m" }))
            .IndexOfAny(['\r', '\n', '\u2028', '\u001b']).ShouldBe(-1);

    [Fact]
    public void Off_ThereIsNoPolicy() => ContentPolicy.Of(new TelemetryOptions()).ShouldBeNull();

    private static ContentCapture Capture(GenerateRequest request) => new(
        ContentPolicy.Of(new TelemetryOptions
        {
            LogContent = true, MaxContentBytes = 1024, Redactions = [new RedactionOptions { Pattern = "top-secret", Replacement = "#" }],
        })!,
        request);

    private static ConversationMessage Message(Role role, params ContentPart[] parts) => new() { Role = role, Parts = { parts } };

    private static IEnumerable<string> Parts(string json) => JsonDocument.Parse(json).RootElement.EnumerateArray()
        .SelectMany(static message => message.GetProperty("parts").EnumerateArray()).Select(static part => part.GetRawText());
}
