using System.Globalization;
using System.Text.Json;

namespace GrpcLlm.Cli.Bench.Ghz;

/// <summary>A report of ghz, read for what it measures: calls that were cut at a message, or whole streams.</summary>
internal sealed class GhzRun
{
    /// <summary>Tag by which a profile says its <c>stream-call-count</c>, which ghz's report leaves out.</summary>
    public const string CutTag = "stream-call-count";

    private const string Ok = "OK";
    private const string Canceled = "Canceled";

    private GhzRun(string path, GhzReport report, long? cutAt)
    {
        Path = path;
        Report = report;
        CutAt = cutAt;
        OutputTokens = TokensOf(report.Options.Data);
        var details = report.Details ?? [];
        Measured = Latencies.Of(details.Where(IsMeasured).Select(detail => TimeSpan.FromTicks(detail.Latency / 100)));
        HasAllDetails = details.Count >= report.Count;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What stands in it.</summary>
    public GhzReport Report { get; }

    /// <summary>Message at which the calls were cancelled; null: streams ran to their end.</summary>
    public long? CutAt { get; }

    /// <summary>Tokens that a stream was to have, by the limit in its data; null: not known, or not the same in all.</summary>
    public long? OutputTokens { get; }

    /// <summary>Latencies of the calls that did what they were to do, from the details; null: there are none.</summary>
    public Latencies? Measured { get; }

    /// <summary>Mean latency of the measured calls in milliseconds: from the details if all are there, else ghz's own; null: none.</summary>
    public double? Mean => HasAllDetails || Report.Average <= 0 ? Measured?.Mean : Report.Average / 1e6;

    /// <summary>Whether every call is in the details.</summary>
    public bool HasAllDetails { get; }

    /// <summary>Calls that failed.</summary>
    public long Failed => (Report.StatusCodeDistribution ?? new Dictionary<string, long>(StringComparer.Ordinal))
        .Where(pair => pair.Key != Ok && !(CutAt is not null && pair.Key == Canceled))
        .Sum(pair => pair.Value);

    /// <summary>A percentile in milliseconds, from the details, else ghz's own if it has that one; null: not known.</summary>
    public double? Percentile(double percentage) => Measured is not null
        ? Measured.Percentile(percentage)
        : Report.LatencyDistribution?.FirstOrDefault(entry => entry.Percentage == percentage && entry.Latency > 0)?.Latency / 1e6;

    /// <summary>Whether a rate was asked for, so that a caller who waits for an answer leaves sends out.</summary>
    public bool HasRate => Report.Options.Rps > 0 || Report.Options.LoadSchedule is "step" or "line";

    /// <summary>Name of the test, or of the file.</summary>
    public string Name => Report.Name.Length > 0 ? Report.Name : System.IO.Path.GetFileName(Path);

    /// <summary>Reads the calls of a report.</summary>
    /// <param name="path">The file.</param>
    /// <param name="report">What stands in it.</param>
    /// <param name="cutAt">Message of <c>stream-call-count</c> where the report's tags do not say it.</param>
    /// <exception cref="UsageException">Nobody says what the calls measure.</exception>
    public static GhzRun Of(string path, GhzReport report, long? cutAt)
    {
        if (report.Tags is { } tags && tags.TryGetValue(CutTag, out var tag))
        {
            return long.TryParse(tag, NumberStyles.None, CultureInfo.InvariantCulture, out var tagged) && tagged > 0
                ? new GhzRun(path, report, tagged)
                : throw new UsageException($"'{path}': the tag {CutTag} is '{tag}', which is no number of a message.");
        }

        var statuses = report.StatusCodeDistribution;
        var canceled = statuses?.GetValueOrDefault(Canceled) ?? 0;
        if (canceled == 0 || canceled <= statuses!.GetValueOrDefault(Ok)) return new GhzRun(path, report, cutAt: null);
        return cutAt is not null
            ? new GhzRun(path, report, cutAt)
            : throw new UsageException(
                $"'{path}': most calls were cancelled, and ghz does not write at which message; "
                + $"give the profile the tag \"{CutTag}\", or say it with --stream-call-count.");
    }

    /// <summary>What differs between the loads of two runs, so that their means do not subtract; null: nothing that tells.</summary>
    public string? DifferenceTo(GhzRun other)
    {
        var (mine, others) = (Report.Options, other.Report.Options);
        var pairs = new (string Name, object? Mine, object? Other)[]
        {
            ("concurrency", mine.Concurrency, others.Concurrency),
            ("concurrency-schedule", mine.ConcurrencySchedule, others.ConcurrencySchedule),
            ("connections", mine.Connections, others.Connections),
            ("rps", mine.Rps, others.Rps),
            ("load-schedule", mine.LoadSchedule, others.LoadSchedule),
            ("async", mine.Async ?? false, others.Async ?? false),
        };
        var different = pairs.Where(pair => !Equals(pair.Mine, pair.Other)).Select(pair => pair.Name).ToList();
        if (!JsonElement.DeepEquals(mine.Data ?? default, others.Data ?? default)) different.Add("data");
        return different.Count > 0 ? string.Join(", ", different) : null;
    }

    private bool IsMeasured(GhzDetail detail) =>
        detail.Status == Ok || (CutAt is not null && detail.Status == Canceled && !IsClosed(detail.Error));

    /// <summary>Whether a call ended since ghz closed its connections at the end of a run, not since it was cut.</summary>
    public static bool IsClosed(string error) => error.Contains("closing", StringComparison.Ordinal);

    private static long? TokensOf(JsonElement? data)
    {
        if (data is not { } value) return null;
        var objects = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : new[] { value };
        var tokens = objects.Select(LimitOf).Distinct().ToList();
        return tokens is [var same] ? same : null;
    }

    private static long? LimitOf(JsonElement request)
    {
        if (request.ValueKind != JsonValueKind.Object || !request.TryGetProperty("limits", out var limits)
            || limits.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        return limits.TryGetProperty("maxOutputTokens", out var limit) || limits.TryGetProperty("max_output_tokens", out limit)
            ? limit.ValueKind == JsonValueKind.Number && limit.TryGetInt64(out var tokens) && tokens > 0 ? tokens : null
            : null;
    }
}
