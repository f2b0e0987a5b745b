using GrpcLlm.V1;
using Microsoft.Extensions.AI;
using Content = GrpcLlm.V1.ContentPart.ContentOneofCase;

namespace GrpcLlm.Client.Chat;

/// <summary>
/// Makes a message of the contract of one of the abstractions. What is there for the application alone (author, ids,
/// times, annotations, additional properties, usage) is not sent. Not thread-safe: one per message.
/// </summary>
internal sealed class ChatMessageMapper(string path, ChatRefusals refusals)
{
    private readonly ConversationMessage _message = new();
    private readonly List<(string ToolCallId, PartSignature Signature, string Path)> _callSignatures = [];
    private int _leading;
    private bool _continues;

    /// <summary>Maps a message; null if it says nothing, such as that of an answer without any token.</summary>
    public ConversationMessage? Map(ChatMessage message)
    {
        _message.Role = RoleOf(message.Role);
        for (var index = 0; index < message.Contents.Count; index++) Add(message.Contents[index], $"{path}.contents[{index}]");
        foreach (var (id, signature, place) in _callSignatures)
            Sign(_message.Parts.LastOrDefault(part => string.Equals(part.ToolCall?.Id, id, StringComparison.Ordinal)), signature, place);
        return _message.Parts.Count > 0 ? _message : null;
    }

    private Role RoleOf(ChatRole role)
    {
        if (role == ChatRole.User) return Role.User;
        if (role == ChatRole.Assistant) return Role.Assistant;
        if (role == ChatRole.Tool) return Role.Tool;

        // The name that some providers have for the operator's instructions.
        if (role == ChatRole.System || role == new ChatRole("developer")) return Role.System;
        refusals.Add($"{path}.role", "must be system, user, assistant or tool");
        return default;
    }

    private void Add(AIContent content, string place)
    {
        switch (content)
        {
            case TextReasoningContent reasoning:
                AddReasoning(reasoning, place);
                return;
            case TextContent text:
                AddText(new ContentPart { Text = text.Text });
                break;
            case UsageContent:
                break;
            case ErrorContent { ErrorCode: ChatContents.RefusalCode } refusal:
                AddText(new ContentPart { Refusal = refusal.Message ?? "" });
                break;
            default:
                if (ChatContents.ToPart(content, place, refusals) is { } part) _message.Parts.Add(part);
                break;
        }

        _continues = false;
    }

    private void AddReasoning(TextReasoningContent content, string place)
    {
        if (content.ProtectedData is not { Length: > 0 } data)
        {
            AddText(new ContentPart { Reasoning = content.Text });
            _continues = false;
            return;
        }

        if (PartSignature.Parse(data) is not { } signature)
        {
            refusals.Add($"{place}.ProtectedData", "is not of this service's making");
            return;
        }

        if (signature.Target == SignatureTarget.Reasoning)
        {
            var part = AddText(new ContentPart { Reasoning = content.Text }, evenIfEmpty: true);
            part!.Signature = signature.Bytes;
            _continues = false;
            return;
        }

        // It came with reasoning that it does not sign, once updates were put together.
        AddText(new ContentPart { Reasoning = content.Text });
        switch (signature.Target)
        {
            case SignatureTarget.Leading:
                _message.Parts.Insert(_leading++, new ContentPart { Reasoning = "", Signature = signature.Bytes });
                _continues = true;
                break;
            case SignatureTarget.ToolCall:
                _callSignatures.Add((signature.ToolCallId, signature, place));
                break;
            default:
                var kind = signature.Target == SignatureTarget.Text ? Content.Text : Content.Refusal;
                Sign(_message.Parts.LastOrDefault(part => part.ContentCase == kind), signature, place);
                break;
        }
    }

    /// <summary>
    /// Adds text of some kind; to the part before it where only a leading signature stood between them. Empty text says
    /// nothing and providers refuse it.
    /// </summary>
    private ContentPart? AddText(ContentPart part, bool evenIfEmpty = false)
    {
        if (!evenIfEmpty && (part.Text + part.Reasoning + part.Refusal).Length == 0) return null;
        if (_continues && _message.Parts.Count > _leading && _message.Parts[^1] is { Signature.IsEmpty: true } last
            && last.ContentCase == part.ContentCase)
        {
            if (part.ContentCase == Content.Text) last.Text += part.Text;
            else if (part.ContentCase == Content.Reasoning) last.Reasoning += part.Reasoning;
            else last.Refusal += part.Refusal;
            return last;
        }

        _message.Parts.Add(part);
        return part;
    }

    private void Sign(ContentPart? part, PartSignature signature, string place)
    {
        if (part is { Signature.IsEmpty: true }) part.Signature = signature.Bytes;
        else refusals.Add($"{place}.ProtectedData", "signs a content that is not in the message");
    }
}
