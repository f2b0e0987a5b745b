using Google.Protobuf;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends;

/// <summary>What a <see cref="BackendEvent"/> is.</summary>
internal enum BackendEventKind : byte
{
    /// <summary>The backend still lives but has nothing to say (a comment, a ping). Not a token.</summary>
    Alive,

    /// <summary>The call waits for a slot of the backend; <see cref="BackendEvent.QueuePosition"/> tells its place.</summary>
    Queued,

    /// <summary>What is known of the answer before its first token: <see cref="BackendEvent.Opening"/>.</summary>
    Opened,

    /// <summary>Answer text.</summary>
    Text,

    /// <summary>The model's reasoning.</summary>
    Reasoning,

    /// <summary>The model's refusal.</summary>
    Refusal,

    /// <summary>A piece of a tool call: <see cref="BackendEvent.ToolCall"/>.</summary>
    ToolCall,

    /// <summary>Opaque provider state of a part: <see cref="BackendEvent.Signature"/>.</summary>
    Signature,

    /// <summary>Usage reported so far, for the bill of a call that is cut short: <see cref="BackendEvent.Usage"/>.</summary>
    Usage,

    /// <summary>The end: <see cref="BackendEvent.Ending"/>.</summary>
    Finished,
}

/// <summary>
/// One event of a backend's stream. A small value, so that a token costs no allocation beyond its text.
/// </summary>
internal readonly struct BackendEvent
{
    private readonly object? _payload;

    private BackendEvent(BackendEventKind kind, string? text, object? payload, uint partIndex, uint tokenCount)
    {
        Kind = kind;
        Text = text ?? "";
        _payload = payload;
        PartIndex = partIndex;
        TokenCount = tokenCount;
    }

    /// <summary>What this is.</summary>
    public BackendEventKind Kind { get; }

    /// <summary>Part of the answer it belongs to, from 0.</summary>
    public uint PartIndex { get; }

    /// <summary>
    /// Output tokens it stands for; 0 where none (a role, a signature). May be positive with empty
    /// <see cref="Text"/>: the token is held back until its character is complete.
    /// </summary>
    public uint TokenCount { get; }

    /// <summary>The delta of text, reasoning or refusal. May end in half a surrogate pair; the relay holds it.</summary>
    public string Text { get; }

    /// <summary>Ids, bytes and probabilities of the tokens; null unless asked for.</summary>
    public IReadOnlyList<TokenDetail>? Tokens => _payload as IReadOnlyList<TokenDetail>;

    /// <summary>With <see cref="BackendEventKind.ToolCall"/>.</summary>
    public ToolCallDelta? ToolCall => _payload as ToolCallDelta;

    /// <summary>With <see cref="BackendEventKind.Signature"/>.</summary>
    public ByteString Signature => _payload as ByteString ?? ByteString.Empty;

    /// <summary>With <see cref="BackendEventKind.Opened"/>.</summary>
    public BackendOpening? Opening => _payload as BackendOpening;

    /// <summary>With <see cref="BackendEventKind.Usage"/>.</summary>
    public Usage? Usage => _payload as Usage;

    /// <summary>With <see cref="BackendEventKind.Finished"/>.</summary>
    public BackendEnding? Ending => _payload as BackendEnding;

    /// <summary>With <see cref="BackendEventKind.Queued"/>: 1 is next.</summary>
    public uint QueuePosition => Kind == BackendEventKind.Queued ? TokenCount : 0;

    /// <summary>Whether it is a piece of the answer.</summary>
    public bool IsDelta => Kind is >= BackendEventKind.Text and <= BackendEventKind.ToolCall;

    public static BackendEvent Alive { get; } = new(BackendEventKind.Alive, null, null, 0, 0);

    public static BackendEvent Queued(uint position) => new(BackendEventKind.Queued, null, null, 0, position);

    public static BackendEvent Opened(BackendOpening opening) => new(BackendEventKind.Opened, null, opening, 0, 0);

    public static BackendEvent TextDelta(
        string text, uint tokenCount = 1, IReadOnlyList<TokenDetail>? tokens = null, uint partIndex = 0) =>
        new(BackendEventKind.Text, text, tokens, partIndex, tokenCount);

    public static BackendEvent ReasoningDelta(
        string text, uint tokenCount = 1, IReadOnlyList<TokenDetail>? tokens = null, uint partIndex = 0) =>
        new(BackendEventKind.Reasoning, text, tokens, partIndex, tokenCount);

    public static BackendEvent RefusalDelta(
        string text, uint tokenCount = 1, IReadOnlyList<TokenDetail>? tokens = null, uint partIndex = 0) =>
        new(BackendEventKind.Refusal, text, tokens, partIndex, tokenCount);

    public static BackendEvent ToolCallPiece(ToolCallDelta delta, uint tokenCount = 1, uint partIndex = 0) =>
        new(BackendEventKind.ToolCall, null, delta, partIndex, tokenCount);

    public static BackendEvent PartSignature(ByteString signature, uint partIndex) =>
        new(BackendEventKind.Signature, null, signature, partIndex, 0);

    public static BackendEvent UsageSoFar(Usage usage) => new(BackendEventKind.Usage, null, usage, 0, 0);

    public static BackendEvent Finished(BackendEnding ending) => new(BackendEventKind.Finished, null, ending, 0, 0);
}

/// <summary>What a backend knows of its answer before the first token.</summary>
internal sealed record BackendOpening
{
    /// <summary>Input tokens, if known already.</summary>
    public uint? InputTokens { get; init; }

    /// <summary>Seed in use.</summary>
    public long? Seed { get; init; }

    /// <summary>Model name that the backend reports.</summary>
    public string Model { get; init; } = "";

    /// <summary>The provider's id of its response.</summary>
    public string ResponseId { get; init; } = "";

    /// <summary>
    /// What <see cref="BackendEvent.TokenCount"/> rests on: Counted where the backend counts real tokens, Estimated
    /// where one delta stands for one token.
    /// </summary>
    public UsageSource TokenCountSource { get; init; } = UsageSource.Estimated;
}

/// <summary>How a backend's answer ended.</summary>
/// <param name="Reason">Mapped reason; <see cref="FinishReason.Other"/> for a word that has no mapping.</param>
internal sealed record BackendEnding(FinishReason Reason)
{
    /// <summary>The backend's own word.</summary>
    public string RawReason { get; init; } = "";

    /// <summary>The stop sequence that the backend found.</summary>
    public string StopSequence { get; init; } = "";

    /// <summary>Usage, totals including their subsets. Null: the last <see cref="BackendEventKind.Usage"/> stands.</summary>
    public Usage? Usage { get; init; }

    /// <summary>What was filtered, with <see cref="FinishReason.ContentFilter"/>.</summary>
    public ContentFilter? ContentFilter { get; init; }
}
