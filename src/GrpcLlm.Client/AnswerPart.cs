using System.Text;
using Google.Protobuf;
using GrpcLlm.V1;

namespace GrpcLlm.Client;

/// <summary>One part of an answer while it grows. Not thread-safe.</summary>
/// <param name="index">TokenChunk.part_index.</param>
internal sealed class AnswerPart(uint index)
{
    private readonly StringBuilder _text = new();

    public uint Index { get; } = index;

    /// <summary>What the part holds; None while only its signature came.</summary>
    public TokenChunk.DeltaOneofCase Kind { get; private set; }

    /// <summary>Ordinal of the call, of a tool call.</summary>
    public uint CallIndex { get; private set; }

    /// <summary>What came together with the part for its way back to the provider; empty if nothing did.</summary>
    public ByteString Signature { get; set; } = ByteString.Empty;

    /// <summary>All pieces so far: text, or a tool call's arguments.</summary>
    public string Text => _text.ToString();

    private string Id { get; set; } = "";

    private string Name { get; set; } = "";

    private bool IsDone { get; set; }

    /// <summary>Whether the delta of a chunk continues this part.</summary>
    public bool Takes(TokenChunk chunk) =>
        Index == chunk.PartIndex
        && (Kind == TokenChunk.DeltaOneofCase.None
            || (Kind == chunk.DeltaCase
                && (Kind != TokenChunk.DeltaOneofCase.ToolCall || CallIndex == chunk.ToolCall.Index)));

    /// <summary>Adds the delta of a chunk.</summary>
    public void Add(TokenChunk chunk)
    {
        Kind = chunk.DeltaCase;
        _text.Append(chunk.DeltaCase switch
        {
            TokenChunk.DeltaOneofCase.Text => chunk.Text,
            TokenChunk.DeltaOneofCase.Reasoning => chunk.Reasoning,
            TokenChunk.DeltaOneofCase.Refusal => chunk.Refusal,
            _ => chunk.ToolCall.ArgumentsFragment,
        });
        if (chunk.DeltaCase != TokenChunk.DeltaOneofCase.ToolCall) return;
        CallIndex = chunk.ToolCall.Index;
        if (chunk.ToolCall.Id.Length > 0) Id = chunk.ToolCall.Id;
        if (chunk.ToolCall.Name.Length > 0) Name = chunk.ToolCall.Name;
        IsDone |= chunk.ToolCall.Done;
    }

    /// <summary>The tool call that this part is.</summary>
    public AnswerToolCall ToToolCall() => new(CallIndex, Id, Name, Text, IsDone);

    /// <summary>
    /// The part as it goes into a conversation; null if it cannot: a tool call that was cut off, or text that is neither
    /// there nor signed.
    /// </summary>
    public ContentPart? ToContent()
    {
        var part = new ContentPart { Signature = Signature };
        var text = Text;
        if (Kind == TokenChunk.DeltaOneofCase.ToolCall)
        {
            part.ToolCall = new ToolCall { Id = Id, Name = Name, ArgumentsJson = text };
            return IsDone ? part : null;
        }

        if (text.Length == 0 && Signature.IsEmpty) return null;
        if (Kind == TokenChunk.DeltaOneofCase.Text) part.Text = text;
        else if (Kind == TokenChunk.DeltaOneofCase.Refusal) part.Refusal = text;
        else part.Reasoning = text;
        return part;
    }
}
