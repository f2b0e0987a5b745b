using Google.Protobuf;
using Microsoft.Extensions.AI;
using Content = GrpcLlm.V1.ContentPart.ContentOneofCase;

namespace GrpcLlm.Client.Chat;

/// <summary>
/// A signature on its way through <see cref="TextReasoningContent.ProtectedData"/>, the one place of the abstractions that
/// is sent back, survives serialisation and is not lost when updates are put together: base64, and before it, with a
/// colon, the part that it signs where that is not the reasoning it stands on. Immutable.
/// </summary>
/// <param name="Target">What it signs.</param>
/// <param name="ToolCallId">The call that it signs, with <see cref="SignatureTarget.ToolCall"/>; empty otherwise.</param>
/// <param name="Bytes">The signature.</param>
internal sealed record PartSignature(SignatureTarget Target, string ToolCallId, ByteString Bytes)
{
    private const string TextPrefix = "text";
    private const string RefusalPrefix = "refusal";
    private const string LeadingPrefix = "leading";
    private const string ToolCallPrefix = "tool_call:";

    /// <summary>The signature of a part.</summary>
    public static PartSignature Of(Content content, string toolCallId, ByteString bytes) => content switch
    {
        Content.Text => new(SignatureTarget.Text, "", bytes),
        Content.Refusal => new(SignatureTarget.Refusal, "", bytes),
        Content.ToolCall => new(SignatureTarget.ToolCall, toolCallId, bytes),
        _ => new(SignatureTarget.Reasoning, "", bytes),
    };

    /// <summary>Reads protected data; null if it is not in this form.</summary>
    public static PartSignature? Parse(string protectedData)
    {
        // Not the first colon: an id may hold one, base64 does not.
        var colon = protectedData.LastIndexOf(':');
        var prefix = colon < 0 ? "" : protectedData[..colon];
        var target = prefix switch
        {
            "" => SignatureTarget.Reasoning,
            TextPrefix => SignatureTarget.Text,
            RefusalPrefix => SignatureTarget.Refusal,
            LeadingPrefix => SignatureTarget.Leading,
            _ when prefix.StartsWith(ToolCallPrefix, StringComparison.Ordinal) => SignatureTarget.ToolCall,
            _ => default(SignatureTarget?),
        };
        var bytes = new byte[protectedData.Length];
        if (target is null || !Convert.TryFromBase64Chars(protectedData.AsSpan(colon + 1), bytes, out var length)) return null;
        var id = target == SignatureTarget.ToolCall ? prefix[ToolCallPrefix.Length..] : "";
        return new PartSignature(target.Value, id, ByteString.CopyFrom(bytes, 0, length));
    }

    /// <summary>The content that carries it, with no text of its own.</summary>
    public TextReasoningContent ToContent() => new("") { ProtectedData = ToString() };

    /// <summary>The protected data.</summary>
    public override string ToString()
    {
        var prefix = Target switch
        {
            SignatureTarget.Text => $"{TextPrefix}:",
            SignatureTarget.Refusal => $"{RefusalPrefix}:",
            SignatureTarget.Leading => $"{LeadingPrefix}:",
            SignatureTarget.ToolCall => $"{ToolCallPrefix}{ToolCallId}:",
            _ => "",
        };
        return prefix + Bytes.ToBase64();
    }
}

/// <summary>What a signature signs.</summary>
internal enum SignatureTarget
{
    /// <summary>The reasoning that it stands on, or reasoning without any text.</summary>
    Reasoning,

    /// <summary>Reasoning without any text that belongs before everything else in the message.</summary>
    Leading,

    /// <summary>The text before it.</summary>
    Text,

    /// <summary>The refusal before it.</summary>
    Refusal,

    /// <summary>A tool call of the message, by its id.</summary>
    ToolCall,
}
