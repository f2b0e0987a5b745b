namespace GrpcLlm.Pages;

/// <summary>A point of a plot; <see cref="Y"/> is NaN where there is no value, and a line breaks there.</summary>
internal readonly record struct PlotPoint(double X, double Y);

/// <summary>A point of a band; NaN where there is no value.</summary>
internal readonly record struct BandPoint(double X, double Low, double High);

/// <summary>Fewer points with the same look: each pixel column keeps its extremes, so that a spike never disappears.</summary>
internal static class Sampling
{
    /// <summary>Columns of a plot; about one for a pixel or two.</summary>
    public const int Columns = 800;

    /// <summary>Keeps of each column the smallest and the largest value in their order, and its ends. Points ascend by X.</summary>
    public static IReadOnlyList<PlotPoint> Line(IReadOnlyList<PlotPoint> points, int columns = Columns)
    {
        if (points.Count <= columns) return points;
        var kept = new List<PlotPoint>(4 * columns);
        foreach (var (from, to) in Slices(points, point => point.X, columns))
        {
            int low = -1, high = -1;
            for (var i = from; i < to; i++)
            {
                if (double.IsNaN(points[i].Y)) continue;
                if (low < 0 || points[i].Y < points[low].Y) low = i;
                if (high < 0 || points[i].Y > points[high].Y) high = i;
            }

            int[] picked = low < 0 ? [from] : [from, Math.Min(low, high), Math.Max(low, high), to - 1];
            foreach (var index in picked.Distinct()) kept.Add(points[index]);
        }

        return kept;
    }

    /// <summary>Keeps of each column the lowest low and the highest high. Points ascend by X.</summary>
    public static IReadOnlyList<BandPoint> Band(IReadOnlyList<BandPoint> points, int columns = Columns)
    {
        if (points.Count <= columns) return points;
        var kept = new List<BandPoint>(columns);
        foreach (var (from, to) in Slices(points, point => point.X, columns))
        {
            var slice = Enumerable.Range(from, to - from).Select(i => points[i]).Where(point => !double.IsNaN(point.High)).ToList();
            kept.Add(slice.Count == 0
                ? points[from]
                : new BandPoint(points[from].X, slice.Min(point => point.Low), slice.Max(point => point.High)));
        }

        return kept;
    }

    /// <summary>Picks of each column the item with the largest weight. Items ascend by place.</summary>
    public static IReadOnlyList<T> Largest<T>(IReadOnlyList<T> items, Func<T, double> place, Func<T, double> weight, int columns)
    {
        if (items.Count <= columns) return items;
        return [.. Slices(items, place, columns).Select(slice => items.Skip(slice.From).Take(slice.To - slice.From).MaxBy(weight)!)];
    }

    /// <summary>At most <paramref name="count"/> items, evenly spread, the first and the last among them.</summary>
    public static IReadOnlyList<T> Even<T>(IReadOnlyList<T> items, int count)
    {
        if (items.Count <= count) return items;
        if (count == 1) return [items[0]];
        return [.. Enumerable.Range(0, count).Select(i => items[(int)((long)i * (items.Count - 1) / (count - 1))])];
    }

    private static IEnumerable<(int From, int To)> Slices<T>(IReadOnlyList<T> items, Func<T, double> place, int columns)
    {
        var start = place(items[0]);
        var width = Math.Max((place(items[^1]) - start) / columns, double.Epsilon);
        for (int from = 0, to; from < items.Count; from = to)
        {
            var column = ColumnOf(from);
            for (to = from + 1; to < items.Count && ColumnOf(to) == column; to++)
            {
            }

            yield return (from, to);
        }

        int ColumnOf(int index) => (int)Math.Min((place(items[index]) - start) / width, columns - 1);
    }
}
