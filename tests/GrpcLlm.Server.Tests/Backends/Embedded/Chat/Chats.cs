using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Chat;

/// <summary>Requests with a conversation of text.</summary>
internal static class Chats
{
    public static GenerateRequest Of(params (Role Role, string Text)[] messages)
    {
        var conversation = new Conversation();
        foreach ((Role role, string text) in messages)
            conversation.Messages.Add(new ConversationMessage { Role = role, Parts = { new ContentPart { Text = text } } });
        return new GenerateRequest
        {
            Conversation = conversation, Limits = new GenerationLimits(), Sampling = new SamplingOptions(),
        };
    }
}
