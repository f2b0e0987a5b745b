using GrpcLlm.Pages;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Ops;

/// <summary>The tables of the status page.</summary>
internal static class StatusTables
{
    /// <summary>Every way into a backend.</summary>
    public static PlotTable Backends(StatusReport report) => new(
        ["Backend", "Kind", "Key", "Breaker", "Key state", "Tried again", "Running", "Served", "Failed", "Given up"],
        [.. report.Backends.Select(static lane => (IReadOnlyList<string>)
        [
            lane.Backend, lane.Kind, lane.Key.Length > 0 ? lane.Key : "none",
            StatusWords.Marked(lane.Breaker, OperationalGauges.Closed),
            lane.Key.Length > 0 ? StatusWords.Marked(lane.KeyState, OperationalGauges.Usable) : "",
            TriedAgain(lane),
            Figures.Count(lane.Load), Figures.Count(lane.Served), Figures.Count(lane.Failed), Figures.Count(lane.Cancelled),
        ])],
        "Served, failed and given up: attempts of the last ten minutes, counted as their calls ended.");

    /// <summary>The models.</summary>
    public static PlotTable Models(StatusReport report) => new(
        ["Model", "Backends", "State", "Calls in 10 min", "Failed"],
        [.. report.Models.Select(static model => (IReadOnlyList<string>)
        [
            model.Name, string.Join(", ", model.Backends), model.Usable ? "usable" : "\u2715 not usable",
            Figures.Count(model.Ended), Figures.Count(model.Failed),
        ])],
        "Failed: by whosever fault.");

    /// <summary>Failures by reason.</summary>
    public static PlotTable Failures(StatusReport report) => new(
        ["Reason", "Fault", "In 10 min", "Last"],
        [.. report.Failures.Select(failure => (IReadOnlyList<string>)
        [
            failure.Reason, failure.Fault, Figures.Count(failure.Count), $"{StatusWords.Age(report.Time - failure.LastSeen)} ago",
        ])]);

    /// <summary>When a lane that is not well is tried again; an open breaker lets an attempt through once its break is over.</summary>
    private static string TriedAgain(LaneStatus lane) => lane switch
    {
        { RetryAfterSeconds: { } wait } => $"in {Figures.Seconds(wait)}",
        { Breaker: not OperationalGauges.Closed } => "by the next call",
        _ => "",
    };
}
