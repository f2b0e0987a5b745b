using GrpcLlm.Cli.Bench.Measurement;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>
/// When the calls of an open loop are to start, one after another: the plan is made without a look at how the target does.
/// Constant arrivals are evenly spread; Poisson arrivals are independent of each other, as those of many callers who do not
/// know each other. Under a changing rate both follow it. Not thread-safe.
/// </summary>
/// <remarks>
/// The n-th call comes when the expected number of calls (the integral of the rate) reaches n, or for Poisson arrivals the
/// sum of n exponential draws of mean 1: the time change that makes a process of changing rate out of one of rate 1.
/// </remarks>
internal sealed class ArrivalPlan : IDisposable
{
    private readonly IEnumerator<LoadCurve.Segment> _segments;
    private readonly Random? _random;
    private double _expected;
    private double _before;
    private bool _hasSegment;
    private bool _isFirst = true;

    /// <param name="rate">Calls a second.</param>
    /// <param name="isPoisson">Poisson arrivals; else constant ones.</param>
    /// <param name="seed">Same seed, same plan.</param>
    public ArrivalPlan(LoadCurve rate, bool isPoisson, long seed)
    {
        _segments = rate.Segments().GetEnumerator();
        _hasSegment = _segments.MoveNext();
        _random = isPoisson ? Seeds.RandomOf(seed) : null;
    }

    /// <summary>When the next call is to start, in nanoseconds; null: there is none any more, the rate stays 0.</summary>
    public long? Next()
    {
        // The first of even arrivals starts at once.
        if (_random is not null) _expected -= Math.Log(1 - _random.NextDouble());
        else if (!_isFirst) _expected++;
        _isFirst = false;
        while (_hasSegment)
        {
            var segment = _segments.Current;
            var length = segment.To - segment.From;
            var until = ExpectedIn(segment, length);
            if (_expected - _before <= until) return At(segment);
            if (double.IsPositiveInfinity(length)) return null;
            _before += until;
            _hasSegment = _segments.MoveNext();
        }

        return null;
    }

    public void Dispose() => _segments.Dispose();

    /// <summary>Calls expected in the first seconds of a segment.</summary>
    private static double ExpectedIn(LoadCurve.Segment segment, double seconds) =>
        double.IsPositiveInfinity(seconds)
            ? segment.Value > 0 || segment.Slope > 0 ? double.PositiveInfinity : 0
            : (segment.Value * seconds) + (segment.Slope * seconds * seconds / 2);

    private long At(LoadCurve.Segment segment)
    {
        var due = _expected - _before;

        // The root of value·t + slope·t²/2 = due, in the form that does not cancel for a small slope.
        var root = Math.Sqrt(Math.Max(0, (segment.Value * segment.Value) + (2 * segment.Slope * due)));
        var seconds = due <= 0 ? 0 : 2 * due / (segment.Value + root);
        return (long)Math.Round((segment.From + seconds) * RunClock.Second);
    }
}
