using GrpcLlm.V1;

namespace GrpcLlm.Client;

/// <summary>What was received of one generation so far. Not thread-safe: it belongs to one enumeration.</summary>
internal sealed class StreamProgress(string requestId)
{
    /// <summary>Name of the generation: the caller's, or the one that the server made.</summary>
    public string RequestId { get; private set; } = requestId;

    /// <summary>Sequence of the last message received.</summary>
    public ulong LastSequence { get; private set; }

    /// <summary>Tokens received.</summary>
    public uint StreamedTokens { get; private set; }

    /// <summary>Whether the finish was received; without it no stream is complete, whatever the status says.</summary>
    public bool Finished { get; private set; }

    /// <summary>Takes note of a message.</summary>
    public void Observe(TokenChunk chunk)
    {
        LastSequence = chunk.Sequence;
        StreamedTokens += chunk.TokenCount;
        if (chunk.Started is { RequestId.Length: > 0 } started) RequestId = started.RequestId;
        if (chunk.Finish is not null) Finished = true;
    }
}
