using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Reports;

/// <summary>The settings of a load in words.</summary>
internal static class LoadText
{
    /// <summary>The load in a line: <c>open loop, 50 requests/s, poisson arrivals, 60 s, warm-up 5 s</c>.</summary>
    public static string Line(LoadSettings load)
    {
        var parts = new List<string> { $"{load.Loop} loop" };
        if (load.Concurrency is { } callers) parts.Add(Figures.Plural(callers, "caller"));
        if (load.RequestsPerSecond is { } rate) parts.Add($"{Given(rate)} requests/s");
        if (load.Arrivals.Length > 0) parts.Add($"{load.Arrivals} arrivals");
        if (load.Schedule.Length > 0) parts.Add(load.Schedule);
        if (load.Total is { } total) parts.Add(Figures.Plural(total, "call"));
        if (load.DurationSeconds is { } duration) parts.Add(GivenSeconds(duration));
        if (load.WarmupSeconds > 0) parts.Add($"warm-up {GivenSeconds(load.WarmupSeconds)}");
        if (load.Connections > 1) parts.Add(Figures.Plural(load.Connections, "connection"));
        if (load.StreamCallCount is { } messages) parts.Add($"cancelled after {Figures.Plural(messages, "message")}");
        return string.Join(", ", parts);
    }

    /// <summary>Each setting that is set, with its name.</summary>
    public static IReadOnlyList<(string Name, string Value)> Rows(LoadSettings load) =>
    [
        .. new (string Name, string? Value)[]
        {
            ("Target", load.Target),
            ("Model", load.Model.Length > 0 ? load.Model : "the deployment's default, or it varies"),
            ("Loop", load.Loop == "open" ? "open: arrivals that wait for nobody" : "closed: callers that wait for their answer"),
            ("Callers", Text(load.Concurrency, n => Figures.Count(n))),
            ("Arrivals", Text(load.RequestsPerSecond, rate => $"{Given(rate)} a second, {load.Arrivals}")),
            ("Schedule", load.Schedule.Length > 0 ? load.Schedule : null),
            ("Calls", Text(load.Total, n => Figures.Count(n))),
            ("Time", Text(load.DurationSeconds, GivenSeconds)),
            ("Warm-up", load.WarmupSeconds > 0 ? $"{GivenSeconds(load.WarmupSeconds)}; its calls are in no figure but those over time" : "none"),
            ("First calls left out", load.SkipFirst > 0 ? Figures.Count(load.SkipFirst) : null),
            ("Longest time of a call", Text(load.TimeoutSeconds, GivenSeconds)),
            ("Connections", Figures.Count(load.Connections)),
            ("Cancelled after", Text(load.StreamCallCount, n => Figures.Plural(n, "message"))),
            ("Seed", load.Seed.ToString()),
        }.Where(row => row.Value is not null).Select(row => (row.Name, row.Value!)),
    ];

    private static string Given(double rate) => Figures.Given(Figures.Rate(rate));

    private static string GivenSeconds(double seconds) => Figures.Given(Figures.Seconds(seconds));

    private static string? Text<T>(T? value, Func<T, string> format) where T : struct => value is { } known ? format(known) : null;
}
