using Grpc.Core;
using GrpcLlm.V1;

namespace GrpcLlm.Client;

/// <summary>What was received of one attempt so far. Not thread-safe: it belongs to one enumeration.</summary>
/// <param name="requestId">Name of the generation: the caller's, or the one that the client made.</param>
/// <param name="attempt">Number of the attempt, from 1.</param>
/// <param name="resumeAfter">Sequence before the first message; 0 unless an older stream is resumed.</param>
internal sealed class StreamProgress(string requestId, int attempt = 1, ulong resumeAfter = 0)
{
    /// <summary>Name of the generation, as the server knows it.</summary>
    public string RequestId { get; private set; } = requestId;

    /// <summary>Number of the attempt, from 1.</summary>
    public int Attempt { get; } = attempt;

    /// <summary>Sequence of the last message received.</summary>
    public ulong LastSequence { get; private set; } = resumeAfter;

    /// <summary>Tokens received.</summary>
    public uint StreamedTokens { get; private set; }

    /// <summary>Whether anything beyond progress messages was received: after that there is no second attempt.</summary>
    public bool HasOutput { get; private set; }

    /// <summary>The first message's news; null before it.</summary>
    public Started? Started { get; private set; }

    /// <summary>The finish; without it no stream is complete, whatever the status says.</summary>
    public Finish? Finish { get; private set; }

    /// <summary>Takes note of a message.</summary>
    /// <exception cref="GenerationException">The message breaks the rules of the stream.</exception>
    public void Observe(TokenChunk chunk)
    {
        if (Finish is not null) throw Violation($"Message {chunk.Sequence} came after the finish.");
        if (chunk.Sequence != LastSequence + 1)
            throw Violation($"Message {chunk.Sequence} came where {LastSequence + 1} was due.");

        LastSequence = chunk.Sequence;
        StreamedTokens += chunk.TokenCount;
        HasOutput |= chunk.Progress is null || chunk.Finish is not null;
        Finish = chunk.Finish;
        if (chunk.Started is not { } started) return;
        Started = started;
        if (started.RequestId.Length > 0) RequestId = started.RequestId;
    }

    private GenerationException Violation(string message) => new($"{message} The answer cannot be trusted to be complete.")
    {
        Kind = GenerationFailureKind.ProtocolViolation,
        StatusCode = StatusCode.DataLoss,
        LastSequence = LastSequence,
        StreamedTokens = StreamedTokens,
        RequestId = RequestId,
        Attempts = Attempt,
    };
}
