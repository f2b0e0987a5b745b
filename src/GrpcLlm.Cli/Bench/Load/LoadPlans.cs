using GrpcLlm.Cli.Bench.Profiles;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>
/// Makes a <see cref="LoadPlan"/> of a profile. What would be another load than the profile asks for is refused with its
/// key; what concerns ghz's own reports is named and left out. Stateless.
/// </summary>
internal static class LoadPlans
{
    /// <summary>The load that a profile describes.</summary>
    /// <param name="profile">A profile, or a command line in its form.</param>
    /// <exception cref="UsageException">Keys cannot be honoured; the message names them all.</exception>
    public static LoadPlan Of(GhzProfile profile)
    {
        var refused = Refusals(profile);
        if (refused.Count > 0) throw new UsageException($"{Prefix(profile)}{string.Join("; ", refused)}.");

        var isOpen = profile.Rps is not null || profile.LoadSchedule is not null;
        var curve = isOpen
            ? CurveOf(profile.LoadSchedule, profile.Rps ?? 0)
            : CurveOf(profile.ConcurrencySchedule, profile.Concurrency ?? GhzProfile.DefaultConcurrency);
        return new LoadPlan
        {
            Name = profile.Name ?? "",
            Tags = profile.Tags,
            IsOpen = isOpen,
            Curve = curve,
            Connections = profile.Connections ?? 1,

            // As in ghz, a duration takes the place of a total, and the longest duration does not.
            Total = profile.Duration is not null ? null : profile.Total ?? GhzProfile.DefaultTotal,
            Duration = profile.Duration ?? profile.MaxDuration,
            DurationStop = profile.DurationStop ?? GhzDurationStop.Wait,
            SkipFirst = profile.SkipFirst,
            StreamCallCount = profile.StreamCallCount,
            Timeout = profile.Timeout is { Ticks: > 0 } timeout ? timeout : null,
            Notes = [.. Notes(profile)],
        };
    }

    private static LoadCurve CurveOf(GhzSchedule? schedule, double constant) =>
        schedule is null ? LoadCurve.Constant(constant) : LoadCurve.Of(schedule);

    private static List<string> Refusals(GhzProfile profile)
    {
        var refused = new List<string>();
        Refuse(profile.SkipTls, "skipTLS");
        Refuse(profile.CaCert is not null, "cacert");
        Refuse(profile.Cert is not null, "cert");
        Refuse(profile.Key is not null, "key");
        Refuse(profile.CName is not null, "cname");
        Refuse(profile.Authority is not null, "authority");
        Refuse(profile.StreamCallDuration is not null, "stream-call-duration");
        Refuse(profile.StreamInterval is not null, "stream-interval");
        Refuse(profile.StreamDynamicMessages, "stream-dynamic-messages");
        Refuse(profile.Cpus is not null, "cpus");
        Refuse(profile.EnableCompression, "enable-compression");
        Refuse(profile.LbStrategy is not null, "lb-strategy");
        Refuse(profile.MaxSendMessageSize is not null, "max-send-message-size");

        var paced = profile.Rps is not null ? "rps" : profile.LoadSchedule is not null ? "load-schedule" : null;
        if (paced is not null && !profile.Async)
            refused.Add($"{paced} without async waits for free callers, which leaves out what a slow target delays; set async to true");
        if (paced is null && profile.Async) refused.Add("async has no bound without rps or load-schedule");
        if (profile is { Rps: not null, LoadSchedule: not null }) refused.Add("rps stands beside load-schedule; give one of them");
        if (paced is not null && profile.ConcurrencySchedule is not null)
            refused.Add($"concurrency-schedule stands beside {paced}; arrivals wait for no callers");
        return refused;

        void Refuse(bool isGiven, string key)
        {
            if (isGiven) refused.Add($"{key} is not supported by this program");
        }
    }

    private static IEnumerable<string> Notes(GhzProfile profile)
    {
        var reports = new (string Key, string? Value)[]
            { ("output", profile.Output), ("format", profile.Format), ("debug", profile.Debug) };
        var given = string.Join(", ", reports.Where(report => report.Value is not null).Select(report => report.Key));
        if (given.Length > 0) yield return $"Not used of the profile: {given} (ghz's own reports); --output names result files.";
        if (profile is { DurationStop: null, Duration: not null, Path.Length: > 0 })
            yield return "Calls in flight at the end of the duration were waited for; ghz would close them unless duration-stop says so.";
    }

    private static string Prefix(GhzProfile profile) => profile.Path.Length > 0 ? $"'{profile.Path}': " : "";
}
