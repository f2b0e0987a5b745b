using Google.Protobuf;
using GrpcLlm.V1;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>Requests that keep the contract, or nearly: of what callers really send.</summary>
internal static class SampleRequests
{
    private static readonly string[] Texts = ["Hello", "é😀", "\u2028\"\\\n", new('x', 300), "{\"a\": 1}", "\0"];

    public static GenerateRequest Next(Random random)
    {
        var request = new GenerateRequest { Model = "m" };
        if (random.Next(3) == 0) request.Prompt = Text(random);
        else request.Conversation = Conversation(random);
        if (random.Next(2) == 0)
            request.Sampling = new SamplingOptions { Temperature = random.Next(3) / 2.0, TopP = 0.9, Seed = random.Next(), PresencePenalty = random.Next(-2, 3) };
        if (random.Next(2) == 0)
            request.Limits = new GenerationLimits { MaxOutputTokens = (uint)random.Next(1, 4000), StopSequences = { "END", Text(random) } };
        if (random.Next(3) == 0) request.Tools.Add(Tool());
        if (random.Next(3) == 0) request.Reasoning = new ReasoningOptions { Effort = (ReasoningEffort)random.Next(6) };
        if (random.Next(4) == 0) request.Labels["team"] = Text(random);
        if (random.Next(4) == 0) request.ProviderOptionsJson[random.Next(2) == 0 ? "openai" : "gemini"] = """{"service_tier":"flex"}""";
        if (random.Next(4) == 0)
        {
            request.Output = new OutputOptions
            {
                Logprobs = random.Next(2) == 0,
                ResponseFormat = new ResponseFormat { JsonSchema = new JsonSchemaFormat { Name = "answer", JsonSchema = """{"type":"object","properties":{"a":{"type":"string"}}}""" } },
            };
        }

        return request;
    }

    private static Conversation Conversation(Random random)
    {
        var conversation = new Conversation();
        conversation.Messages.Add(Message(Role.User, new ContentPart { Text = Text(random) }));
        if (random.Next(2) == 0)
            conversation.Messages[0].Parts.Add(new ContentPart { Image = new Image { Data = ByteString.CopyFrom(1, 2, 3), MediaType = "image/png" } });
        if (random.Next(2) == 0) return conversation;
        conversation.Messages.Add(Message(
            Role.Assistant, new ContentPart { Reasoning = Text(random) },
            new ContentPart { ToolCall = new ToolCall { Id = "call1", Name = "get_weather", ArgumentsJson = """{"city":"Bern"}""" } }));
        conversation.Messages.Add(Message(Role.Tool, new ContentPart
        {
            ToolResult = new ToolResult { ToolCallId = "call1", Parts = { new ContentPart { Text = Text(random) } } },
        }));
        return conversation;
    }

    private static ConversationMessage Message(Role role, params ReadOnlySpan<ContentPart> parts)
    {
        var message = new ConversationMessage { Role = role };
        foreach (var part in parts) message.Parts.Add(part);
        return message;
    }

    private static Tool Tool() => new()
    {
        Name = "get_weather", Description = "The weather", ParametersJsonSchema = """{"type":"object","properties":{"city":{"type":"string"}}}""",
    };

    private static string Text(Random random) => Texts[random.Next(Texts.Length)];
}
