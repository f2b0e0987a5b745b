using GrpcLlm.Samples.FunctionCalling;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;

namespace GrpcLlm.Client.Tests.Chat;

/// <summary>A tool loop that knows nothing of this service, over a real connection to it.</summary>
public sealed class FunctionLoopTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task FunctionLoop_TwoCalls_ResultsReachTheModelAndSignaturesGoBack(bool streaming)
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        var requests = ScriptLoop(server);
        using var chat = new FunctionLoop(client.AsChatClient("tiny"));
        var options = new ChatOptions
        {
            Tools =
            [
                AIFunctionFactory.Create((string city) => city == "Bern" ? 21 : throw new InvalidOperationException("no such city"), "temperature"),
            ],
        };

        var text = streaming
            ? string.Concat((await chat.GetStreamingResponseAsync("How warm?", options, Token).ToListAsync(Token)).Select(update => update.Text))
            : (await chat.GetResponseAsync("How warm?", options, Token)).Text;

        text.ShouldBe("21 degrees.");
        requests.Count.ShouldBe(2);
        requests.ShouldAllBe(request => request.Tools.Single().Name == "temperature");
        requests[0].RequestId.ShouldNotBe(requests[1].RequestId);
        var messages = requests[1].Conversation.Messages;
        messages.Select(message => message.Role).ShouldBe([Role.User, Role.Assistant, Role.Tool]);
        messages[1].Parts.ShouldBe([
            new ContentPart { Reasoning = "I ask.", Signature = Bytes(1) },
            new ContentPart { ToolCall = new ToolCall { Id = "c1", Name = "temperature", ArgumentsJson = """{"city":"Bern"}""" }, Signature = Bytes(2) },
            new ContentPart { ToolCall = new ToolCall { Id = "c2", Name = "temperature", ArgumentsJson = """{"city":"Atlantis"}""" } },
        ]);
        messages[2].Parts.ShouldBe([
            new ContentPart { ToolResult = new ToolResult { ToolCallId = "c1", Parts = { new ContentPart { Text = "21" } } } },
            new ContentPart { ToolResult = new ToolResult { ToolCallId = "c2", IsError = true, Parts = { new ContentPart { Text = "Error: the function failed." } } } },
        ]);
    }

    /// <summary>A model that asks for two temperatures, then answers.</summary>
    private static List<GenerateRequest> ScriptLoop(TestServer server)
    {
        var requests = new List<GenerateRequest>();
        TokenChunk[][] answers =
        [
            ChatClientTests.Numbered(
                new TokenChunk { Reasoning = "I ", TokenCount = 1 },
                new TokenChunk { Reasoning = "ask." },
                new TokenChunk { Signature = Bytes(1) },
                new TokenChunk { PartIndex = 1, ToolCall = new ToolCallDelta { Id = "c1", Name = "temperature", ArgumentsFragment = "{\"city\":" } },
                new TokenChunk { PartIndex = 2, ToolCall = new ToolCallDelta { Index = 1, Id = "c2", Name = "temperature", ArgumentsFragment = "{\"city\":\"Atlantis\"}", Done = true } },
                new TokenChunk { PartIndex = 1, ToolCall = new ToolCallDelta { ArgumentsFragment = "\"Bern\"}", Done = true } },
                new TokenChunk { PartIndex = 1, Signature = Bytes(2) },
                new TokenChunk { Finish = new Finish { Reason = FinishReason.ToolCalls } }),
            ChatClientTests.Numbered(
                new TokenChunk { Text = "21 degrees.", TokenCount = 1 },
                new TokenChunk { Finish = new Finish { Reason = FinishReason.Stop } }),
        ];
        server.Service.OnGenerate = async (request, stream, context) =>
        {
            requests.Add(request);
            foreach (var chunk in answers[requests.Count - 1]) await stream.WriteAsync(chunk, context.CancellationToken);
        };
        return requests;
    }

    private static Google.Protobuf.ByteString Bytes(byte value) => Google.Protobuf.ByteString.CopyFrom(value);
}
