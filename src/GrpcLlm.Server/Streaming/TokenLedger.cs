using GrpcLlm.V1;

namespace GrpcLlm.Server.Streaming;

/// <summary>
/// Tokens that arrived and are not yet on a chunk: their number, gaps and details. Held-back tokens count on the chunk
/// that releases them. One gap per token; the call's first is its time since acceptance; tokens that arrive together
/// get (gap, 0, 0 …); so the sum of all gaps is the arrival of the last token. Not thread-safe.
/// </summary>
internal sealed class TokenLedger
{
    private readonly List<uint> _gaps = [];
    private readonly List<TokenDetail> _details = [];
    private long _lastArrival;

    /// <summary>Tokens not yet on a chunk.</summary>
    public uint Count { get; private set; }

    /// <summary>Enters tokens.</summary>
    /// <param name="count">How many arrived together; 0 changes nothing.</param>
    /// <param name="arrival">When, in microseconds since acceptance; never before an earlier one.</param>
    /// <param name="details">Their details, if known.</param>
    public void Add(uint count, long arrival, IReadOnlyList<TokenDetail>? details)
    {
        if (count == 0) return;
        Count += count;
        _gaps.Add((uint)Math.Clamp(arrival - _lastArrival, 0, uint.MaxValue));
        for (var rest = count - 1; rest > 0; rest--) _gaps.Add(0);
        _lastArrival = arrival;
        if (details is null) return;
        for (var index = 0; index < details.Count; index++) _details.Add(details[index]);
    }

    /// <summary>Moves all tokens onto a chunk, behind those that it has.</summary>
    public void MoveTo(TokenChunk chunk)
    {
        if (Count == 0) return;
        chunk.TokenCount += Count;

        // Not AddRange: it would box an enumerator for every token.
        for (var index = 0; index < _gaps.Count; index++) chunk.TokenGapsUs.Add(_gaps[index]);
        for (var index = 0; index < _details.Count; index++) chunk.Tokens.Add(_details[index]);
        Count = 0;
        _gaps.Clear();
        _details.Clear();
    }
}
