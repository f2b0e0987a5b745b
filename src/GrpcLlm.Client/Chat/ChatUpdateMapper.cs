using System.Text;
using Google.Protobuf;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;
using Content = GrpcLlm.V1.ContentPart.ContentOneofCase;
using Delta = GrpcLlm.V1.TokenChunk.DeltaOneofCase;

namespace GrpcLlm.Client.Chat;

/// <summary>
/// Makes updates of the messages of one stream: one each, text and reasoning as they come, refusals and function calls when
/// they are whole. Put together by the abstractions' own means, the updates make a message that can be sent back part by
/// part, signatures included. Not thread-safe: one per stream.
/// </summary>
internal sealed class ChatUpdateMapper(string requestId)
{
    private readonly SortedDictionary<uint, Part> _parts = [];
    private readonly SortedDictionary<uint, ByteString> _heldSignatures = [];
    private List<AIContent> _contents = [];
    private string _responseId = requestId;
    private string? _model;

    private (uint Index, Part Part)? _openRefusal;

    // What the last content would be joined with.
    private (Content Kind, uint PartIndex) _last;

    /// <summary>Maps the next message.</summary>
    public ChatResponseUpdate Map(TokenChunk chunk)
    {
        _contents = [];
        if (chunk.Started is { } started)
        {
            _model = started.Model;
            if (started.RequestId.Length > 0) _responseId = started.RequestId;
        }

        if (chunk.DeltaCase != Delta.None) AddDelta(chunk);
        if (!chunk.Signature.IsEmpty) AddSignature(chunk.PartIndex, chunk.Signature);
        if (chunk.Finish is not null)
        {
            AddCalls(isEnd: true);
            Release(uint.MaxValue);
        }

        var update = new ChatResponseUpdate(ChatRole.Assistant, _contents)
        {
            ResponseId = _responseId,
            MessageId = _responseId,
            ModelId = _model,
            RawRepresentation = chunk,
        };
        if (chunk.Finish is { } finish) End(update, finish);
        return update;
    }

    private static void End(ChatResponseUpdate update, Finish finish)
    {
        if (finish.Model.Length > 0) update.ModelId = finish.Model;
        update.FinishReason = ChatEnds.ReasonOf(finish.Reason);
        update.AdditionalProperties = ChatEnds.PropertiesOf(finish);
        if (finish.Usage is { } usage) update.Contents.Add(new UsageContent(ChatEnds.UsageOf(usage)));
    }

    private void AddDelta(TokenChunk chunk)
    {
        // Text of a part may go on behind its signature; what comes after the part may not.
        Release(chunk.PartIndex);
        if (!_parts.TryGetValue(chunk.PartIndex, out var part))
            _parts.Add(chunk.PartIndex, part = new Part(KindOf(chunk.DeltaCase)));

        switch (chunk.DeltaCase)
        {
            case Delta.Text:
                part.IsTold |= chunk.Text.Length > 0;
                Emit(Content.Text, chunk.PartIndex, new TextContent(chunk.Text));
                break;
            case Delta.Reasoning:
                Emit(Content.Reasoning, chunk.PartIndex, new TextReasoningContent(chunk.Reasoning));
                break;
            case Delta.Refusal:
                part.Text.Append(chunk.Refusal);
                _openRefusal = (chunk.PartIndex, part);
                break;
            default:
                part.Text.Append(chunk.ToolCall.ArgumentsFragment);
                if (chunk.ToolCall.Id.Length > 0) part.Id = chunk.ToolCall.Id;
                if (chunk.ToolCall.Name.Length > 0) part.Name = chunk.ToolCall.Name;
                part.IsDone |= chunk.ToolCall.Done;
                if (chunk.ToolCall.Done) AddCalls(isEnd: false);
                break;
        }
    }

    /// <summary>
    /// Tells the calls that are whole, in the order of the answer: pieces of parallel ones may interleave, and a call that
    /// is whole early waits for those before it. At the end also what was cut off.
    /// </summary>
    private void AddCalls(bool isEnd)
    {
        foreach (var (index, part) in _parts)
        {
            if (part.Kind != Content.ToolCall || part.IsTold) continue;
            if (!part.IsDone && !isEnd) return;
            part.IsTold = true;
            Emit(Content.ToolCall, index, part.IsDone
                ? ChatContents.OfCall(part.Id, part.Name, part.Text.ToString())
                : ChatContents.OfCutCall(part.Id, part.Name));
        }
    }

    private void AddSignature(uint index, ByteString signature)
    {
        if (_parts.ContainsKey(index) || _parts.Count == 0 || _parts.First().Key < index)
        {
            _heldSignatures[index] = signature;
            return;
        }

        // Reasoning without text is never the first message of a stream, even where it is the first part of the answer. It
        // moves to the front on its way back: what stood before it here goes on behind it.
        _contents.Add(new PartSignature(SignatureTarget.Leading, "", signature).ToContent());
    }

    /// <summary>Tells what waited for the end of the parts before this one.</summary>
    private void Release(uint before)
    {
        if (_openRefusal is { } open && open.Index < before)
        {
            open.Part.IsTold = open.Part.Text.Length > 0;
            if (open.Part.IsTold)
                Emit(Content.Refusal, open.Index, new ErrorContent(open.Part.Text.ToString()) { ErrorCode = ChatContents.RefusalCode });
            _openRefusal = null;
        }

        while (_heldSignatures.Count > 0 && _heldSignatures.First() is var (index, bytes) && index < before)
        {
            _heldSignatures.Remove(index);
            var part = _parts.GetValueOrDefault(index);
            var signature = PartSignature.Of(part is { IsTold: true } ? part.Kind : Content.Reasoning, part?.Id ?? "", bytes);
            Emit(signature.Target == SignatureTarget.Reasoning ? Content.Reasoning : default, index, signature.ToContent());
            _last = default;
        }
    }

    /// <summary>
    /// Adds a content. Neighbours of one kind are joined when updates are put together, which must not happen to two parts
    /// of which only the second is signed: an empty content of another kind keeps them apart.
    /// </summary>
    private void Emit(Content kind, uint partIndex, AIContent content)
    {
        if (_last.Kind == kind && _last.PartIndex != partIndex && kind is Content.Text or Content.Reasoning)
            _contents.Add(kind == Content.Text ? new TextReasoningContent("") : new TextContent(""));
        _contents.Add(content);
        _last = (kind, partIndex);
    }

    private static Content KindOf(Delta delta) => delta switch
    {
        Delta.Text => Content.Text,
        Delta.Reasoning => Content.Reasoning,
        Delta.Refusal => Content.Refusal,
        _ => Content.ToolCall,
    };

    /// <summary>What is known of a part of the answer.</summary>
    private sealed class Part(Content kind)
    {
        public Content Kind { get; } = kind;

        public string Id { get; set; } = "";

        public string Name { get; set; } = "";

        /// <summary>A refusal, or arguments, so far.</summary>
        public StringBuilder Text { get; } = new();

        /// <summary>Whether a call is whole.</summary>
        public bool IsDone { get; set; }

        /// <summary>Whether there is a content that a signature could stand behind.</summary>
        public bool IsTold { get; set; }
    }
}
