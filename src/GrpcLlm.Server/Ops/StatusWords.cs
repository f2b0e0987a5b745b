using System.Globalization;
using GrpcLlm.Pages;

namespace GrpcLlm.Server.Ops;

/// <summary>Words of the status page.</summary>
internal static class StatusWords
{
    /// <summary>A fixed word of the metrics for people: <c>half open</c> for <c>half_open</c>.</summary>
    public static string Of(string word) => word.Replace('_', ' ');

    /// <summary>A state with a sign where it is not the one that is well, so that it is seen without reading.</summary>
    public static string Marked(string state, string well) => state == well ? Of(state) : $"\u2715 {Of(state)}";

    /// <summary>A length of time in whole numbers: <c>12 s</c>, <c>3 min 12 s</c>, <c>5 h 3 min</c>, <c>2 d 5 h</c>.</summary>
    public static string Age(TimeSpan age) => age switch
    {
        { TotalMinutes: < 1 } => Whole(age.TotalSeconds, "s"),
        { TotalHours: < 1 } => $"{Whole(age.TotalMinutes, "min")} {age.Seconds} s",
        { TotalDays: < 1 } => $"{Whole(age.TotalHours, "h")} {age.Minutes} min",
        _ => $"{Whole(age.TotalDays, "d")} {age.Hours} h",
    };

    /// <summary>A moment: <c>2026-01-31 12:00:03 UTC</c>.</summary>
    public static string Moment(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    /// <summary>Percentiles in a line.</summary>
    public static string Percentiles(Telemetry.LatencyFigures times) =>
        $"p50 {Figures.Time(times.P50Ms)}, p90 {Figures.Time(times.P90Ms)}, p99 {Figures.Time(times.P99Ms)}";

    private static string Whole(double value, string unit) => string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(Math.Max(0, value)):0} {unit}");
}
