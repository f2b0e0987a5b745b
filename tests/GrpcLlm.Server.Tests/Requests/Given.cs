using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Requests;

/// <summary>Requests to validate, and what is found.</summary>
internal static class Given
{
    /// <summary>A valid request, changed.</summary>
    public static GenerateRequest Prompt(Action<GenerateRequest>? change = null)
    {
        var request = new GenerateRequest { Prompt = "p" };
        change?.Invoke(request);
        return request;
    }

    /// <summary>A request of one message.</summary>
    public static GenerateRequest Message(Role role, params IEnumerable<ContentPart> parts) =>
        Conversation(new ConversationMessage { Role = role, Parts = { parts } });

    public static GenerateRequest Conversation(params IEnumerable<ConversationMessage> messages) =>
        new() { Conversation = new Conversation { Messages = { messages } } };

    /// <summary>Fields that are found wrong.</summary>
    public static IReadOnlyList<string> FieldsOf(GenerateRequest request) =>
        [.. Find(request).Select(static one => one.Field)];

    /// <summary>What is found wrong.</summary>
    public static Violations Find(GenerateRequest request)
    {
        try
        {
            RequestValidator.Validate(Received<GenerateRequest>.Read(request, 0)).ShouldBeSameAs(request);
            return [];
        }
        catch (CallFailureException failure)
        {
            failure.Reason.ShouldBe(ErrorReason.InvalidRequest);
            return failure.Violations;
        }
    }
}
