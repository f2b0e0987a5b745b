using System.Globalization;
using System.Text.Json;
using GrpcLlm.Cli.Bench.Profiles;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Ghz;

/// <summary>
/// Writes a run of <c>grpcllm bench</c> as ghz would report it, for what reads that: ghz-web and dashboards. Latency is
/// end to end, as there; in an open loop from the planned send, which ghz does not do. Failed calls are in no latency.
/// </summary>
internal static class GhzJsonWriter
{
    private const double NanosecondsPerMillisecond = 1e6;
    private const double NanosecondsPerSecond = 1e9;
    private const int HistogramSteps = 10;

    private static readonly int[] Percentages = [10, 25, 50, 75, 90, 95, 99];

    /// <summary>The run as ghz's JSON, on one line.</summary>
    public static string Write(BenchRun run) => JsonSerializer.Serialize(ReportOf(run), GhzJson.Options);

    /// <summary>The run as ghz's report.</summary>
    public static GhzReport ReportOf(BenchRun run)
    {
        var latency = run.Metrics.GetValueOrDefault(MetricNames.E2e);
        var count = run.Streams.Succeeded + run.Streams.Failed;
        return new GhzReport
        {
            Name = run.Name,
            EndReason = run.End switch
            {
                RunEnd.Duration => "timeout",
                RunEnd.Interrupted or RunEnd.TargetLost => "cancel",
                _ => "normal",
            },
            Options = OptionsOf(run),
            Date = run.StartedAt,
            Count = count,
            Total = (long)(run.MeasuredSeconds * NanosecondsPerSecond),
            Average = Nanoseconds(latency?.Mean),
            Fastest = Nanoseconds(latency?.Min),
            Slowest = Nanoseconds(latency?.Max),
            Rps = run.MeasuredSeconds > 0 ? count / run.MeasuredSeconds : 0,
            ErrorDistribution = Sum(run.Errors.Select(error => (MessageOf(error), error.Count))),
            StatusCodeDistribution = Sum(
            [
                .. run.Streams.Succeeded > 0 ? [("OK", run.Streams.Succeeded)] : Array.Empty<(string, long)>(),
                .. run.Errors.Select(error => (StatusOf(error.Status), error.Count)),
            ]),
            LatencyDistribution = latency is null ? null : [.. Percentages.Select(percentage => PercentileOf(latency, percentage))],
            Histogram = latency is null ? null : HistogramOf(latency),
            Details = DetailsOf(run),
            Tags = TagsOf(run),
        };
    }

    private static GhzReportOptions OptionsOf(BenchRun run) => new()
    {
        Call = CallNames.Generate,
        Host = Uri.TryCreate(run.Load.Target, UriKind.Absolute, out var target) && target.Authority.Length > 0 ? target.Authority : run.Load.Target,
        Insecure = !run.Load.Target.StartsWith("https:", StringComparison.OrdinalIgnoreCase),
        Rps = run.Load.RequestsPerSecond is { } rate ? (long)Math.Round(rate) : null,
        LoadSchedule = "const",
        Concurrency = run.Load.Concurrency,
        ConcurrencySchedule = "const",
        Total = run.Load.Total,
        Async = run.Load.Loop == "open" ? true : null,
        Connections = run.Load.Connections,
        Duration = run.Load.DurationSeconds is { } seconds ? (long)(seconds * NanosecondsPerSecond) : null,
        Name = run.Name,
    };

    /// <summary>The profile's tags, and the one that ghz has no member for.</summary>
    private static Dictionary<string, string>? TagsOf(BenchRun run)
    {
        var tags = new Dictionary<string, string>(run.Tags, StringComparer.Ordinal);
        if (run.Load.StreamCallCount is { } cut) tags[GhzRun.CutTag] = cut.ToString(CultureInfo.InvariantCulture);
        return tags.Count > 0 ? tags : null;
    }

    /// <summary>The measured streams of the sample.</summary>
    private static List<GhzDetail> DetailsOf(BenchRun run)
    {
        var statuses = run.Errors.GroupBy(error => error.Reason, StringComparer.Ordinal)
            .ToDictionary(group => group.Key, group => group.First(), StringComparer.Ordinal);
        var warmup = run.Load.WarmupSeconds * 1000;
        return
        [
            .. run.StreamSamples.Where(stream => stream.Planned >= warmup).Select(stream =>
            {
                var error = stream.Succeeded ? null : statuses.GetValueOrDefault(stream.Outcome);
                var start = run.Load.Loop == "open" ? stream.Planned : stream.Sent;
                return new GhzDetail(
                    run.StartedAt + TimeSpan.FromMilliseconds(stream.Ended),
                    Nanoseconds(stream.Ended - start),
                    stream.Succeeded ? "" : error is null ? stream.Outcome : MessageOf(error),
                    stream.Succeeded ? "OK" : StatusOf(error?.Status ?? "UNKNOWN"));
            }),
        ];
    }

    /// <summary>A message as grpc-go writes errors.</summary>
    private static string MessageOf(ErrorCount error) =>
        $"rpc error: code = {StatusOf(error.Status)} desc = {(error.Example.Length > 0 ? error.Example : error.Reason)}";

    /// <summary>A status in Go's words, which spell one of them differently.</summary>
    private static string StatusOf(string status) => status switch
    {
        "CANCELLED" => "Canceled",
        "OK" => "OK",
        _ => string.Concat(status.Split('_').Select(word => word.Length > 0 ? word[..1] + word[1..].ToLowerInvariant() : "")),
    };

    private static GhzPercentile PercentileOf(Distribution latency, int percentage)
    {
        var exact = percentage switch
        {
            50 => latency.P50,
            90 => latency.P90,
            95 => latency.P95,
            99 => latency.P99,
            _ => FromBuckets(latency, percentage),
        };
        return new GhzPercentile(percentage, Nanoseconds(exact));
    }

    private static double FromBuckets(Distribution latency, int percentage)
    {
        var wanted = Math.Ceiling(latency.Count * percentage / 100.0);
        long seen = 0;
        foreach (var bucket in latency.Buckets)
        {
            seen += bucket.Count;
            if (seen >= wanted) return Math.Min(bucket.Le, latency.Max);
        }

        return latency.Max;
    }

    /// <summary>Eleven marks in seconds from the fastest to the slowest; each counts what is above the mark before it.</summary>
    private static List<GhzBucket> HistogramOf(Distribution latency)
    {
        var counts = new long[HistogramSteps + 1];
        var step = (latency.Max - latency.Min) / HistogramSteps;
        foreach (var bucket in latency.Buckets)
        {
            var value = Math.Clamp(bucket.Le, latency.Min, latency.Max);
            counts[step > 0 ? (int)Math.Ceiling(Math.Round((value - latency.Min) / step, 6)) : 0] += bucket.Count;
        }

        return [.. counts.Select((count, index) => new GhzBucket((latency.Min + (step * index)) / 1000, count, (double)count / latency.Count))];
    }

    private static Dictionary<string, long> Sum(IEnumerable<(string Key, long Count)> counts) => counts
        .GroupBy(pair => pair.Key, StringComparer.Ordinal)
        .ToDictionary(group => group.Key, group => group.Sum(pair => pair.Count), StringComparer.Ordinal);

    private static long Nanoseconds(double? milliseconds) => (long)Math.Round((milliseconds ?? 0) * NanosecondsPerMillisecond);
}
