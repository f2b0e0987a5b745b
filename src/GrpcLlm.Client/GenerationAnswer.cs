using GrpcLlm.V1;

namespace GrpcLlm.Client;

/// <summary>
/// An answer, put together. Not to be changed; the protobuf messages in it belong to the receiver. Thread-safe to read.
/// </summary>
public sealed class GenerationAnswer
{
    internal GenerationAnswer() { }

    /// <summary>The answer's text: all text parts in their order. Empty if there is none.</summary>
    public string Text { get; internal init; } = "";

    /// <summary>The model's reasoning, as far as it was told: all reasoning parts in their order.</summary>
    public string Reasoning { get; internal init; } = "";

    /// <summary>The model's refusal to answer; empty if it did not refuse.</summary>
    public string Refusal { get; internal init; } = "";

    /// <summary>Tool calls in their order, those that were cut off included (<see cref="AnswerToolCall.IsDone"/>).</summary>
    public IReadOnlyList<AnswerToolCall> ToolCalls { get; internal init; } = [];

    /// <summary>
    /// The answer part by part with the provider's signatures, fit to be sent back. A tool call that was cut off is not
    /// among them, nor is text that is empty and unsigned.
    /// </summary>
    public IReadOnlyList<ContentPart> Parts { get; internal init; } = [];

    /// <summary>Token by token, if the request asked for log probabilities or token ids; empty otherwise.</summary>
    public IReadOnlyList<TokenDetail> Tokens { get; internal init; } = [];

    /// <summary>What the server told with the first token; null if it did not come.</summary>
    public Started? Started { get; internal init; }

    /// <summary>How the generation ended; null if it did not finish.</summary>
    public Finish? Finish { get; internal init; }

    /// <summary>What the trailers say; null if they are not at hand.</summary>
    public GenerationSummary? Summary { get; internal init; }

    /// <summary>Name of the generation; empty if not known.</summary>
    public string RequestId { get; internal init; } = "";

    /// <summary>Tokens received.</summary>
    public uint StreamedTokens { get; internal init; }

    /// <summary>Sequence of the last message; 0 if there was none.</summary>
    public ulong LastSequence { get; internal init; }

    /// <summary>Whether the generation came to its finish. Without it the answer is not complete.</summary>
    public bool IsFinished => Finish is not null;

    /// <summary>
    /// Why it ended; <see cref="FinishReason.Unspecified"/> if it did not finish. Only
    /// <see cref="FinishReason.Stop"/>, <see cref="FinishReason.StopSequence"/> and <see cref="FinishReason.ToolCalls"/> are
    /// ends of the model's own.
    /// </summary>
    public FinishReason FinishReason => Finish?.Reason ?? FinishReason.Unspecified;

    /// <summary>Tokens used; null if not known.</summary>
    public Usage? Usage => Finish?.Usage;

    /// <summary>Where the time went; null if the generation did not finish.</summary>
    public Timing? Timing => Finish?.Timing;

    /// <summary>The deployment's name of the model; empty if not known.</summary>
    public string Model => Started?.Model is { Length: > 0 } model ? model : Finish?.Model ?? "";

    /// <summary>Configured name of the backend that served; empty if not known.</summary>
    public string Backend => Started?.Backend is { Length: > 0 } backend ? backend : Finish?.Backend ?? "";

    /// <summary>
    /// The answer as the next message of the conversation, so that a tool loop goes on where the model stopped.
    /// </summary>
    /// <returns>A new message of the assistant. Without parts if the answer is empty; such a message cannot be sent.</returns>
    public ConversationMessage ToMessage() =>
        new() { Role = Role.Assistant, Parts = { Parts.Select(static part => part.Clone()) } };
}
