namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>
/// The gaps between the tokens of one stream, kept until it is known whether the stream counts. Short streams keep them one
/// by one; beyond <see cref="MostKept"/> they go into a histogram, so that a stream of any length takes bounded memory.
/// Reused from stream to stream. Not thread-safe.
/// </summary>
internal sealed class TokenGaps
{
    private const int MostKept = 4096;

    private long[] _gaps = new long[128];
    private int _count;
    private long _zeros;
    private Histogram? _earlier;

    /// <summary>The gaps that are kept one by one, for a test against a known schedule: all of them in short streams.</summary>
    public ReadOnlySpan<long> Kept => _gaps.AsSpan(0, _count);

    /// <summary>Takes a gap in nanoseconds.</summary>
    public void Add(long gap)
    {
        if (_count == _gaps.Length) MakeRoom();
        _gaps[_count++] = gap;
    }

    /// <summary>Takes tokens that arrived together with the one before them.</summary>
    public void AddZeros(long count) => _zeros += count;

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        _count = 0;
        _zeros = 0;
        _earlier = null;
    }

    /// <summary>Hands all gaps to a histogram.</summary>
    public void AddTo(Histogram histogram)
    {
        for (var index = 0; index < _count; index++) histogram.Record(_gaps[index]);
        histogram.Record(0, _zeros);
        if (_earlier is not null) histogram.Merge(_earlier);
    }

    private void MakeRoom()
    {
        if (_gaps.Length < MostKept)
        {
            Array.Resize(ref _gaps, _gaps.Length * 2);
            return;
        }

        _earlier ??= new Histogram();
        for (var index = 0; index < _count; index++) _earlier.Record(_gaps[index]);
        _count = 0;
    }
}
