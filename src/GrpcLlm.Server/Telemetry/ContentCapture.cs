using System.Text;
using GrpcLlm.V1;
using Delta = GrpcLlm.V1.TokenChunk.DeltaOneofCase;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Gathers the answer that one client got, for the content log. Chunks cut text anywhere, so each part is kept whole until it
/// is redacted. Not thread-safe.
/// </summary>
internal sealed class ContentCapture(ContentPolicy policy, GenerateRequest request)
{
    /// <summary>An answer of more characters is not written: half of a part could show what the whole would have hidden.</summary>
    public const int MaxChars = 1 << 20;

    private readonly List<Part> _parts = [];
    private Part? _latest;
    private int _chars;

    /// <summary>How it is written.</summary>
    public ContentPolicy Policy { get; } = policy;

    /// <summary>What was asked.</summary>
    public GenerateRequest Request { get; } = request;

    /// <summary>Whether the answer is too long to be written.</summary>
    public bool IsTooLong => _chars > MaxChars;

    /// <summary>The parts of the answer, in the order in which they began.</summary>
    public IReadOnlyList<Part> Parts => _parts;

    /// <summary>Takes a message that was sent.</summary>
    public void Add(TokenChunk chunk)
    {
        var text = chunk.DeltaCase switch
        {
            Delta.Text => chunk.Text,
            Delta.Reasoning => chunk.Reasoning,
            Delta.Refusal => chunk.Refusal,
            Delta.ToolCall => chunk.ToolCall.ArgumentsFragment,
            _ => null,
        };
        if (text is null) return;
        _chars += text.Length;
        if (IsTooLong)
        {
            _chars = MaxChars + 1;
            _parts.Clear();
            return;
        }

        PartOf(chunk).Text.Append(text);
    }

    private Part PartOf(TokenChunk chunk)
    {
        var key = (chunk.DeltaCase, chunk.PartIndex, chunk.ToolCall?.Index ?? 0);
        if (_latest is { } latest && latest.Key == key) return latest;
        _latest = _parts.Find(part => part.Key == key);
        if (_latest is null) _parts.Add(_latest = new Part(key, chunk.ToolCall?.Id ?? "", chunk.ToolCall?.Name ?? ""));
        return _latest;
    }

    /// <summary>One part of the answer.</summary>
    /// <param name="Key">What it is, its index, and that of its tool call.</param>
    /// <param name="CallId">Id of the tool call.</param>
    /// <param name="CallName">Name of the tool.</param>
    internal sealed record Part((Delta Kind, uint Index, uint Call) Key, string CallId, string CallName)
    {
        /// <summary>All its text, or arguments.</summary>
        public StringBuilder Text { get; } = new();
    }
}
