using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Reports;

/// <summary>A bar of a histogram.</summary>
/// <param name="From">Its left end.</param>
/// <param name="To">Its right end.</param>
/// <param name="Count">How many values it holds.</param>
internal readonly record struct HistogramBin(double From, double To, long Count);

/// <summary>
/// A distribution in bins of equal width. The buckets of a result file have a width of their own, so one that lies across a
/// border is shared between both sides, or the bars would beat like two combs laid over each other.
/// </summary>
internal sealed class HistogramBins
{
    private const int Fewest = 40;
    private const int Most = 80;

    private readonly double _width;
    private readonly double[] _counts;

    /// <param name="values">What is binned.</param>
    /// <param name="end">Right end of the last bin; what lies beyond is in none.</param>
    public HistogramBins(Distribution values, double end)
    {
        // Few values in many bins show nothing but chance.
        _counts = new double[Math.Clamp((int)(2 * Math.Sqrt(values.Count)), Fewest, Most)];
        _width = end / _counts.Length;
        var before = values.Min;
        foreach (var (le, count) in values.Buckets)
        {
            // A bucket after a gap is not as wide as the gap.
            var (low, high) = (Math.Max(before, le - _width), Math.Min(le, values.Max));
            before = le;
            if (low < end) Share(low, Math.Max(high, low), count);
            else if (values.Max <= end) _counts[^1] += count;
        }
    }

    /// <summary>The bins that hold anything, ascending; their counts add up to those that lie before the end.</summary>
    public IReadOnlyList<HistogramBin> Filled
    {
        get
        {
            // Rounded so that no value is lost: what a bin loses by it goes to the next one.
            var bins = new List<HistogramBin>();
            double exact = 0;
            long given = 0;
            for (var i = 0; i < _counts.Length; i++)
            {
                exact += _counts[i];
                var count = (long)Math.Round(exact) - given;
                given += count;
                if (count > 0) bins.Add(new HistogramBin(i * _width, (i + 1) * _width, count));
            }

            return bins;
        }
    }

    private void Share(double low, double high, long count)
    {
        var (first, last) = (Math.Min((int)(low / _width), _counts.Length - 1), (int)(high / _width));
        if (last <= first)
        {
            _counts[first] += count;
            return;
        }

        for (var i = first; i <= last && i < _counts.Length; i++)
            _counts[i] += count * (Math.Min(high, (i + 1) * _width) - Math.Max(low, i * _width)) / (high - low);
    }
}
