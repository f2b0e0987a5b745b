using GrpcLlm.V1;
using Content = GrpcLlm.V1.ContentPart.ContentOneofCase;

namespace GrpcLlm.Server.Requests;

/// <summary>Rules of <see cref="Conversation"/>: who may say what. Stateless.</summary>
internal static class ConversationRules
{
    public static void Check(Conversation conversation, Violations violations)
    {
        if (conversation.Messages.Count == 0) violations.Add("conversation.messages", "must hold at least one message");
        var toolNames = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var index = 0; index < conversation.Messages.Count; index++)
            CheckMessage(conversation.Messages[index], $"conversation.messages[{index}]", toolNames, violations);
    }

    private static void CheckMessage(
        ConversationMessage message, string path, Dictionary<string, string> toolNames, Violations violations)
    {
        if (message.Role == Role.Unspecified) violations.Add($"{path}.role", "is required");
        else if (!Names<Role>.IsKnown(message.Role)) violations.AddUnknown($"{path}.role", (int)message.Role);
        if (message.Parts.Count == 0) violations.Add($"{path}.parts", "must hold at least one part");

        for (var index = 0; index < message.Parts.Count; index++)
        {
            var part = message.Parts[index];
            var partPath = $"{path}.parts[{index}]";
            if (part.ContentCase == Content.None)
            {
                violations.Add($"{partPath}.content", "is required");
                continue;
            }

            if (Names<Role>.IsKnown(message.Role) && message.Role != Role.Unspecified && !MaySay(message.Role, part.ContentCase))
                violations.Add(partPath, $"a message of ROLE_{Names<Role>.Of(message.Role)} cannot hold {FieldName(part.ContentCase)}");
            CheckPart(part, partPath, toolNames, violations);
        }
    }

    private static bool MaySay(Role role, Content content) => content switch
    {
        Content.Text => role != Role.Tool,
        Content.Image => role == Role.User,
        Content.Reasoning or Content.ToolCall or Content.Refusal => role == Role.Assistant,
        Content.ToolResult => role == Role.Tool,
        _ => false,
    };

    private static void CheckPart(
        ContentPart part, string path, Dictionary<string, string> toolNames, Violations violations)
    {
        switch (part.ContentCase)
        {
            case Content.Image:
                CheckImage(part.Image, $"{path}.image", violations);
                break;
            case Content.ToolCall:
                if (part.ToolCall.Id.Length == 0) violations.Add($"{path}.tool_call.id", "is required");
                if (part.ToolCall.Name.Length == 0) violations.Add($"{path}.tool_call.name", "is required");
                if (part.ToolCall.ArgumentsJson.Length > 0)
                    JsonRules.CheckObject(part.ToolCall.ArgumentsJson, $"{path}.tool_call.arguments_json", violations);
                toolNames[part.ToolCall.Id] = part.ToolCall.Name;
                break;
            case Content.ToolResult:
                CheckToolResult(part.ToolResult, $"{path}.tool_result", toolNames, violations);
                break;
        }
    }

    private static void CheckToolResult(
        ToolResult result, string path, Dictionary<string, string> toolNames, Violations violations)
    {
        if (result.ToolCallId.Length == 0) violations.Add($"{path}.tool_call_id", "is required");
        else if (result.Name.Length == 0 && !toolNames.ContainsKey(result.ToolCallId))
            violations.Add($"{path}.name", "is required where no earlier tool_call has that id");
        for (var index = 0; index < result.Parts.Count; index++)
        {
            var partPath = $"{path}.parts[{index}]";
            switch (result.Parts[index].ContentCase)
            {
                case Content.Text:
                    break;
                case Content.Image:
                    CheckImage(result.Parts[index].Image, $"{partPath}.image", violations);
                    break;
                default:
                    violations.Add($"{partPath}.content", "must be text or image");
                    break;
            }
        }
    }

    private static void CheckImage(Image image, string path, Violations violations)
    {
        if (!Names<ImageDetail>.IsKnown(image.Detail)) violations.AddUnknown($"{path}.detail", (int)image.Detail);
        switch (image.SourceCase)
        {
            case Image.SourceOneofCase.Url:
                if (!Uri.TryCreate(image.Url, UriKind.Absolute, out var url) || url.Scheme != Uri.UriSchemeHttps)
                    violations.Add($"{path}.url", "must be an absolute https URL");
                break;
            case Image.SourceOneofCase.Data:
                if (image.Data.IsEmpty) violations.Add($"{path}.data", "must not be empty");
                if (image.MediaType.Length == 0) violations.Add($"{path}.media_type", "is required with data");
                break;
            default:
                violations.Add($"{path}.source", "one of url and data is required");
                break;
        }
    }

    private static string FieldName(Content content) => content switch
    {
        Content.Text => "text",
        Content.Image => "image",
        Content.Reasoning => "reasoning",
        Content.ToolCall => "tool_call",
        Content.ToolResult => "tool_result",
        _ => "refusal",
    };
}
