using GrpcLlm.V1;

namespace GrpcLlm.Server.Streaming;

/// <summary>
/// Tokens that arrived and are not yet on a chunk: their number, gaps and details. Held-back tokens count on the chunk
/// that releases them. One gap per token; the call's first is its time since acceptance; tokens that arrive together
/// get (gap, 0, 0 …); so the sum of all gaps is the arrival of the last token. Not thread-safe.
/// </summary>
internal sealed class TokenLedger
{
    // One token at a time is the usual case, and needs no list.
    private List<uint>? _laterGaps;
    private List<TokenDetail>? _details;
    private long _lastArrival;
    private uint _firstGap;

    /// <summary>Tokens not yet on a chunk.</summary>
    public uint Count { get; private set; }

    /// <summary>Enters tokens.</summary>
    /// <param name="count">How many arrived together; 0 changes nothing.</param>
    /// <param name="arrival">When, in microseconds since acceptance; never before an earlier one.</param>
    /// <param name="details">Their details, if known.</param>
    public void Add(uint count, long arrival, IReadOnlyList<TokenDetail>? details)
    {
        if (count == 0) return;
        var gap = (uint)Math.Clamp(arrival - _lastArrival, 0, uint.MaxValue);
        if (Count == 0) _firstGap = gap;
        else (_laterGaps ??= []).Add(gap);
        for (var rest = count - 1; rest > 0; rest--) (_laterGaps ??= []).Add(0);
        Count += count;
        _lastArrival = arrival;
        if (details is null) return;
        _details ??= [];
        for (var index = 0; index < details.Count; index++) _details.Add(details[index]);
    }

    /// <summary>Moves all tokens onto a chunk, behind those that it has.</summary>
    public void MoveTo(TokenChunk chunk)
    {
        if (Count == 0) return;
        chunk.TokenCount += Count;
        chunk.TokenGapsUs.Add(_firstGap);
        Count = 0;

        // Not AddRange: it would box an enumerator for every token.
        if (_laterGaps is { Count: > 0 } gaps)
        {
            for (var index = 0; index < gaps.Count; index++) chunk.TokenGapsUs.Add(gaps[index]);
            gaps.Clear();
        }

        if (_details is not { Count: > 0 } details) return;
        for (var index = 0; index < details.Count; index++) chunk.Tokens.Add(details[index]);
        details.Clear();
    }
}
