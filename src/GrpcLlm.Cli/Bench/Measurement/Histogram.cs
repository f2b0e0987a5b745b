using System.Numerics;

namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>
/// Counts values of a high dynamic range in buckets of constant relative width (log-linear, as HdrHistogram has it): below
/// 2^bits each value has a bucket of its own; above, each doubling is cut into 2^bits buckets. Count, mean, standard
/// deviation, smallest and largest value are exact; a percentile is exact or too large by less than 2^-bits of it.
/// </summary>
/// <remarks>
/// The unit is the caller's. A doubling takes 8 bytes × 2^bits once a value falls into it, and nothing is allocated after
/// that: the memory depends on the spread of the values and not on their number. The standard deviation holds while the sum
/// of all squares is below 2^128: for ten days in nanoseconds, four hundred million times. Not thread-safe.
/// </remarks>
internal sealed class Histogram
{
    /// <summary>Error below 1/1024, so below 0.1 %.</summary>
    public const int DefaultPrecisionBits = 10;

    private readonly int _bits;
    private readonly long[]?[] _rows;
    private Int128 _sum;
    private UInt128 _sumOfSquares;
    private long _min = long.MaxValue;

    /// <param name="precisionBits">Bits that are kept of a value, 1 to 16; a percentile's relative error is below 2^-bits.</param>
    public Histogram(int precisionBits = DefaultPrecisionBits)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(precisionBits, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(precisionBits, 16);
        _bits = precisionBits;
        _rows = new long[64 - precisionBits][];
    }

    /// <summary>Number of values.</summary>
    public long Count { get; private set; }

    /// <summary>Exact smallest value; 0 without values.</summary>
    public long Min => Count == 0 ? 0 : _min;

    /// <summary>Exact largest value; 0 without values.</summary>
    public long Max { get; private set; }

    /// <summary>Exact mean; 0 without values.</summary>
    public double Mean => Count == 0 ? 0 : (double)_sum / Count;

    /// <summary>Exact standard deviation of the values as a whole population (divided by their number); 0 without values.</summary>
    public double StandardDeviation
    {
        get
        {
            if (Count == 0) return 0;

            // In whole numbers: the difference of two large squares in floating point would lose what it is about.
            var scaled = ((BigInteger)Count * (BigInteger)_sumOfSquares) - BigInteger.Pow((BigInteger)_sum, 2);
            return Math.Sqrt((double)scaled) / Count;
        }
    }

    /// <summary>Takes a value.</summary>
    /// <param name="value">0 or more.</param>
    /// <param name="times">How often; 0 changes nothing.</param>
    public void Record(long value, long times = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        ArgumentOutOfRangeException.ThrowIfNegative(times);
        if (times == 0) return;
        var row = RowOf(value);
        (_rows[row] ??= new long[1 << _bits])[PlaceOf(value, row)] += times;
        Count += times;
        _sum += (Int128)value * times;
        _sumOfSquares += (UInt128)value * (UInt128)value * (UInt128)times;
        if (value < _min) _min = value;
        if (value > Max) Max = value;
    }

    /// <summary>Takes all values of another histogram of the same precision.</summary>
    public void Merge(Histogram other)
    {
        if (other._bits != _bits) throw new ArgumentException("The histograms differ in precision.", nameof(other));
        for (var row = 0; row < _rows.Length; row++)
        {
            if (other._rows[row] is not { } theirs) continue;
            var ours = _rows[row] ??= new long[1 << _bits];
            for (var place = 0; place < ours.Length; place++) ours[place] += theirs[place];
        }

        Count += other.Count;
        _sum += other._sum;
        _sumOfSquares += other._sumOfSquares;
        _min = Math.Min(_min, other._min);
        Max = Math.Max(Max, other.Max);
    }

    /// <summary>
    /// The percentile by nearest rank: the smallest value that at least that share of all values do not exceed. It is told
    /// as the upper end of its bucket, or as the largest value if that is smaller. 0 without values.
    /// </summary>
    /// <param name="percent">Above 0 to 100; decimal, since 99.9 % of 1,000 is 999 and not a little more.</param>
    public long Percentile(decimal percent)
    {
        if (percent is <= 0 or > 100) throw new ArgumentOutOfRangeException(nameof(percent));
        var rank = (long)Math.Ceiling(percent * Count / 100);
        long seen = 0;
        foreach (var (le, count) in Buckets())
        {
            seen += count;
            if (seen >= rank) return Math.Min(le, Max);
        }

        return 0;
    }

    /// <summary>Buckets that hold anything, ascending: the largest value that each may hold, and how many it holds.</summary>
    public IEnumerable<(long Le, long Count)> Buckets() => Buckets(_bits);

    /// <summary>The same in wider buckets.</summary>
    /// <param name="precisionBits">At most the histogram's own.</param>
    public IEnumerable<(long Le, long Count)> Buckets(int precisionBits)
    {
        long le = 0, count = 0;
        for (var row = 0; row < _rows.Length; row++)
        {
            if (_rows[row] is not { } counts) continue;
            for (var place = 0; place < counts.Length; place++)
            {
                if (counts[place] == 0) continue;
                var end = EndOf(FirstValueOf(row, place), precisionBits);
                if (end != le && count > 0)
                {
                    yield return (le, count);
                    count = 0;
                }

                le = end;
                count += counts[place];
            }
        }

        if (count > 0) yield return (le, count);
    }

    private int RowOf(long value) => Math.Max(0, BitLength(value) - _bits);

    /// <summary>Row r above the first has buckets that are 2^(r-1) wide; the first has one for each value.</summary>
    private int PlaceOf(long value, int row) => row == 0 ? (int)value : (int)((value >> (row - 1)) - (1L << _bits));

    private long FirstValueOf(int row, int place) => row == 0 ? place : (place + (1L << _bits)) << (row - 1);

    /// <summary>Largest value in the same bucket at some precision.</summary>
    private static long EndOf(long value, int bits)
    {
        var shift = Math.Max(0, BitLength(value) - bits - 1);
        return (((value >> shift) + 1) << shift) - 1;
    }

    private static int BitLength(long value) => 64 - BitOperations.LeadingZeroCount((ulong)value);
}
