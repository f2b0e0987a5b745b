using System.Text;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>A range of bytes.</summary>
/// <param name="Low">Lowest.</param>
/// <param name="High">Highest.</param>
internal readonly record struct ByteRange(byte Low, byte High);

/// <summary>
/// Ranges of code points as sequences of ranges of bytes, each of which matches exactly the UTF-8 of some of them: the
/// construction of Ken Thompson's grep, as RE2 and Rust's regex have it.
/// </summary>
internal static class Utf8Ranges
{
    /// <summary>Splits a range without surrogates.</summary>
    public static IEnumerable<ByteRange[]> Split(int low, int high)
    {
        var open = new Stack<(int Low, int High)>();
        open.Push((low, high));
        while (open.TryPop(out (int Low, int High) range))
        {
            while (CutAt(range) is { } last)
            {
                open.Push((last + 1, range.High));
                range.High = last;
            }

            byte[] from = Encoding.UTF8.GetBytes(char.ConvertFromUtf32(range.Low));
            byte[] to = Encoding.UTF8.GetBytes(char.ConvertFromUtf32(range.High));
            yield return [.. from.Zip(to, (first, last) => new ByteRange(first, last))];
        }
    }

    // The last code point of the front part of a range that is not one sequence; null if it is.
    private static int? CutAt((int Low, int High) range)
    {
        foreach (int longest in (ReadOnlySpan<int>)[0x7F, 0x7FF, 0xFFFF])
        {
            if (range.Low <= longest && longest < range.High) return longest;
        }

        // Leading bytes may differ only if all that follow them take all their values.
        for (int bytes = 1; bytes <= 3 && range.High > 0x7F; bytes++)
        {
            int tail = (1 << (6 * bytes)) - 1;
            if ((range.Low & ~tail) == (range.High & ~tail)) continue;
            if ((range.Low & tail) != 0) return range.Low | tail;
            if ((range.High & tail) != tail) return (range.High & ~tail) - 1;
        }

        return null;
    }
}
