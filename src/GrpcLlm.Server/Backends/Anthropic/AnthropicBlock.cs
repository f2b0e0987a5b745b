using System.Globalization;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>What a content block holds.</summary>
internal enum AnthropicBlockKind
{
    /// <summary>The provider's own work (its tools and their results, compaction, …): nothing for the caller.</summary>
    Own,

    /// <summary>Text of the answer.</summary>
    Text,

    /// <summary>Reasoning, with a signature at its end.</summary>
    Thinking,

    /// <summary>Reasoning that is told as opaque data only.</summary>
    Redacted,

    /// <summary>A call of one of the caller's tools.</summary>
    ToolUse,
}

/// <summary>A content block of an answer while it runs. Not thread-safe.</summary>
internal sealed class AnthropicBlock(AnthropicBlockKind kind, uint index)
{
    /// <summary>What it holds.</summary>
    public AnthropicBlockKind Kind { get; } = kind;

    /// <summary>Its number in the message.</summary>
    public uint Index { get; } = index;

    /// <summary>Its mark for the tracker of tool calls.</summary>
    public string Key { get; } = index.ToString(CultureInfo.InvariantCulture);

    /// <summary>Part of the answer; none while it had nothing to say.</summary>
    public uint? Part { get; set; }

    /// <summary>Signature so far; empty if there is none.</summary>
    public string Signature { get; set; } = "";

    /// <summary>Arguments that came whole with the block's start; used if no fragments follow.</summary>
    public string WholeInput { get; set; } = "";
}
