using System.Globalization;
using GrpcLlm.Cli.Bench.Profiles;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>
/// A load over time: calls a second, or callers. Constant, or in steps, or in a line, as ghz's schedules have it: it
/// changes until its last value is reached or its time has passed, and then stays. Never below 0. Immutable and thread-safe.
/// </summary>
internal sealed class LoadCurve
{
    private readonly double _start;
    private readonly GhzSchedule? _schedule;

    private LoadCurve(double start, GhzSchedule? schedule)
    {
        _start = start;
        _schedule = schedule;
        Last = ValueAt(Changes(schedule) ?? 0);
    }

    /// <summary>Value at the end: that of a schedule without an end is 0 or without bound.</summary>
    public double Last { get; }

    /// <summary>The same value all the time.</summary>
    public static LoadCurve Constant(double value) => new(value, null);

    /// <summary>A value that changes.</summary>
    public static LoadCurve Of(GhzSchedule schedule) => new(schedule.Start, schedule);

    /// <summary>The schedule in words; empty: constant.</summary>
    public override string ToString()
    {
        if (_schedule is not { } schedule) return "";
        var until = schedule.End is { } end ? string.Create(CultureInfo.InvariantCulture, $" to {end}") : "";
        var within = schedule.MaxDuration is { } longest ? $" within {GoDuration.Format(longest)}" : "";
        var kind = schedule.IsLine ? "line" : "steps";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{kind} from {schedule.Start} by {schedule.Step} every {GoDuration.Format(schedule.StepDuration)}{until}{within}");
    }

    /// <summary>The parts in which it is constant or a line, in order; the last one has no end.</summary>
    public IEnumerable<Segment> Segments()
    {
        if (_schedule is not { } schedule || Changes(schedule) is 0)
        {
            yield return new Segment(0, double.PositiveInfinity, _start, 0);
            yield break;
        }

        var every = schedule.StepDuration.TotalSeconds;
        var end = Changes(schedule) ?? double.PositiveInfinity;
        if (schedule.IsLine)
        {
            yield return new Segment(0, end, _start, schedule.Step / every);
        }
        else
        {
            for (var step = 0L; step * every < end; step++)
                yield return new Segment(step * every, Math.Min((step + 1) * every, end), ValueAt(step * every), 0);
        }

        if (double.IsFinite(end)) yield return new Segment(end, double.PositiveInfinity, Last, 0);
    }

    /// <summary>The value at a time in seconds.</summary>
    public double ValueAt(double seconds)
    {
        if (_schedule is not { } schedule) return _start;
        var within = Math.Min(seconds, schedule.MaxDuration?.TotalSeconds ?? double.PositiveInfinity);
        var steps = within / schedule.StepDuration.TotalSeconds;

        // A hair is added, or the third of three steps of 0.1 s would come late.
        if (!schedule.IsLine) steps = Math.Floor(steps + 1e-9);
        var value = _start + (schedule.Step * steps);
        if (schedule.End is { } end) value = schedule.Step > 0 ? Math.Min(value, end) : Math.Max(value, end);
        return Math.Max(0, value);
    }

    /// <summary>When the whole part of the value changes next, in seconds; infinite if it does not any more.</summary>
    public double NextChangeAfter(double seconds)
    {
        if (_schedule is not { } schedule || seconds >= (Changes(schedule) ?? double.PositiveInfinity)) return double.PositiveInfinity;
        var every = schedule.StepDuration.TotalSeconds;
        return schedule.IsLine
            ? seconds + Math.Min(every / Math.Abs(schedule.Step), every)
            : (Math.Floor((seconds / every) + 1e-9) + 1) * every;
    }

    /// <summary>Seconds until it stays as it is; null: never.</summary>
    private double? Changes(GhzSchedule? schedule)
    {
        if (schedule is null) return 0;

        // One that goes down has an end at nothing, if at no other value.
        var end = schedule.End ?? (schedule.Step < 0 ? 0 : (int?)null);
        double? byValue = end is { } last ? (last - _start) / schedule.Step : null;
        if (byValue is { } steps)
            byValue = Math.Max(0, schedule.IsLine ? steps : Math.Ceiling(steps)) * schedule.StepDuration.TotalSeconds;
        var byTime = schedule.MaxDuration?.TotalSeconds;
        return byValue is null ? byTime : byTime is null ? byValue : Math.Min(byValue.Value, byTime.Value);
    }

    /// <summary>A part of a curve: a line from <paramref name="Value"/> at <paramref name="From"/>.</summary>
    /// <param name="From">Begin in seconds.</param>
    /// <param name="To">End in seconds; may be infinite.</param>
    /// <param name="Value">Value at the begin.</param>
    /// <param name="Slope">Change a second.</param>
    internal readonly record struct Segment(double From, double To, double Value, double Slope);
}
