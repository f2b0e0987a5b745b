using System.Globalization;

namespace GrpcLlm.Pages;

/// <summary>A mark of an axis.</summary>
/// <param name="At">Where, 0 to 1.</param>
/// <param name="Label">Its text.</param>
internal readonly record struct Tick(double At, string Label);

/// <summary>What an axis counts; decides how its marks are written.</summary>
internal enum AxisUnit
{
    /// <summary>Milliseconds, written as µs, ms, s, min or h as the axis' length suggests.</summary>
    Time,

    /// <summary>A number, written with k, M or G where it is large.</summary>
    Number,
}

/// <summary>Maps values to a place on an axis, 0 (left, bottom) to 1 (right, top), and knows its marks. Immutable.</summary>
internal sealed class Axis
{
    private readonly Func<double, double> _position;

    private Axis(string title, double end, IReadOnlyList<Tick> ticks, Func<double, double> position)
    {
        Title = title;
        End = end;
        Ticks = ticks;
        _position = position;
    }

    /// <summary>What it shows, with its unit where the marks do not tell; may be empty.</summary>
    public string Title { get; }

    /// <summary>The value at its right or upper end.</summary>
    public double End { get; }

    /// <summary>Whether its marks name rows; there are no lines through them then.</summary>
    public bool HasRows { get; private init; }

    /// <summary>Its marks, ascending.</summary>
    public IReadOnlyList<Tick> Ticks { get; }

    /// <summary>The place of a value; a value beyond an end is at that end.</summary>
    public double At(double value) => Math.Clamp(_position(value), 0, 1);

    /// <summary>An axis from zero to the next round number.</summary>
    public static Axis FromZero(double max, AxisUnit unit, string title = "", int steps = 4)
    {
        var step = RoundStep(max, steps, unit);
        return Linear(Math.Max(1, Math.Ceiling((max / step) - 1e-9)) * step, step, unit, title);
    }

    /// <summary>An axis from zero to exactly <paramref name="max"/>, with marks at round numbers on the way.</summary>
    public static Axis Exactly(double max, AxisUnit unit, string title = "", int steps = 5) =>
        Linear(max > 0 ? max : 1, RoundStep(max, steps, unit), unit, title);

    /// <summary>The time up to now, which is at the right end; values are milliseconds since its left end.</summary>
    /// <param name="length">Its length, whole minutes.</param>
    /// <param name="step">Between two marks, whole minutes.</param>
    public static Axis UntilNow(TimeSpan length, TimeSpan step)
    {
        var ticks = new List<Tick>();
        for (var ago = length; ago >= TimeSpan.Zero; ago -= step)
        {
            var minutes = string.Create(CultureInfo.InvariantCulture, $"\u2212{ago.TotalMinutes:0}");
            ticks.Add(new Tick(1 - (ago / length), ago == TimeSpan.Zero ? "now" : ago == length ? minutes + " min" : minutes));
        }

        return new Axis("", length.TotalMilliseconds, ticks, value => value / length.TotalMilliseconds);
    }

    /// <summary>
    /// Percentiles on a 1 − p log scale: as much room for 99 to 99.9 as for 90 to 99, so that the tail can be read.
    /// </summary>
    /// <param name="count">Number of values behind the curve: it ends where a single one of them would be.</param>
    public static Axis Percentiles(long count)
    {
        var decades = Math.Clamp(Math.Log10(Math.Max(count, 1) * 2.0), 1, 6);
        double Position(double p) => p >= 1 ? 1 : -Math.Log10(1 - p) / decades;
        (double P, string Label)[] marks =
            [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99"), (0.99999, "p99.999")];
        var ticks = marks.Select(mark => new Tick(Position(mark.P), mark.Label)).Where(tick => tick.At <= 1 + 1e-9);
        return new Axis("percentile", 1, [.. ticks], Position);
    }

    /// <summary>Rows from the top; a value is the row's number, from 0.</summary>
    /// <param name="labels">A label for each row; some are left out where they would collide.</param>
    /// <param name="every">Each how manieth label is shown.</param>
    public static Axis Rows(IReadOnlyList<string> labels, int every) => new(
        "",
        0,
        [.. labels.Select((label, row) => new Tick(RowAt(row, labels.Count), label)).Where((_, row) => row % every == 0)],
        row => RowAt(row, labels.Count))
    {
        HasRows = true,
    };

    /// <summary>Ratios on a log scale, as far on either side of 1.</summary>
    public static Axis Ratios(double furthest)
    {
        double[] steps = [1.01, 1.02, 1.05, 1.1, 1.2, 1.5, 2, 3, 5, 10, 100];
        var end = steps.FirstOrDefault(step => step >= furthest, furthest);
        double Position(double ratio) => ratio <= 0 ? 0 : 0.5 + (Math.Log(ratio) / Math.Log(end) / 2);
        var half = Math.Exp(Math.Log(end) / 2);
        double[] marks = [1 / end, 1 / half, 1, half, end];

        // Three labels fit the narrowest screen.
        string LabelOf(double mark) => mark == 1 ? "same" : mark == half || mark == 1 / half ? "" : Figures.Change(mark);
        return new Axis("", end, [.. marks.Select(mark => new Tick(Position(mark), LabelOf(mark)))], Position);
    }

    private static double RowAt(double row, int count) => 1 - ((row + 0.5) / count);

    private static Axis Linear(double max, double step, AxisUnit unit, string title)
    {
        var (factor, suffix) = UnitFor(max, unit);
        var digits = Math.Clamp(-(int)Math.Floor(Math.Log10(step / factor) + 1e-9), 0, 9);
        var count = (int)Math.Floor((max / step) + 1e-9);
        var ticks = new Tick[count + 1];
        for (var i = 0; i <= count; i++)
        {
            var text = (i * step / factor).ToString("#,0." + new string('0', digits), CultureInfo.InvariantCulture);

            // The unit once, where the eye begins to read: at the largest number.
            ticks[i] = new Tick(i * step / max, i == 0 ? "0" : i == count && suffix.Length > 0 ? $"{text} {suffix}" : text);
        }

        return new Axis(title, max, ticks, value => value / max);
    }

    private static double RoundStep(double max, int steps, AxisUnit unit)
    {
        if (!(max > 0)) return 1;
        var factor = UnitFor(max, unit).Factor;
        var rough = max / factor / steps;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = (rough / power) switch { <= 1.1 => 1, <= 2.2 => 2, <= 5.5 => 5, _ => 10 } * power * factor;

        // Whatever is counted is counted in whole numbers where the axis is short.
        return unit == AxisUnit.Number && max >= 1 && max <= steps ? Math.Max(step, 1) : step;
    }

    private static (double Factor, string Suffix) UnitFor(double max, AxisUnit unit) => (unit, max) switch
    {
        (AxisUnit.Time, < 1) => (0.001, "µs"),
        (AxisUnit.Time, < 1000) => (1, "ms"),
        (AxisUnit.Time, < 300_000) => (1000, "s"),
        (AxisUnit.Time, < 18_000_000) => (60_000, "min"),
        (AxisUnit.Time, _) => (3_600_000, "h"),
        (_, < 10_000) => (1, ""),
        (_, < 1e7) => (1e3, "k"),
        (_, < 1e10) => (1e6, "M"),
        _ => (1e9, "G"),
    };
}
