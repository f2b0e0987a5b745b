namespace GrpcLlm.Cli.Bench.Ghz;

/// <summary>A time per output token that follows from two runs.</summary>
/// <param name="Milliseconds">The time.</param>
/// <param name="Method">The formula, with its numbers.</param>
/// <param name="First">Run of first messages.</param>
/// <param name="Longer">Run of later messages, or of whole streams.</param>
internal sealed record DerivedTpot(double Milliseconds, string Method, GhzRun First, GhzRun Longer);

/// <summary>What reports of ghz tell together, and what has to be known to judge it.</summary>
internal sealed class GhzSummary
{
    private GhzSummary(IReadOnlyList<GhzRun> runs, IReadOnlyList<DebugRun> debugRuns)
    {
        Runs = runs;
        DebugRuns = debugRuns;
    }

    /// <summary>The reports, in the order given.</summary>
    public IReadOnlyList<GhzRun> Runs { get; }

    /// <summary>The logs, in the order given.</summary>
    public IReadOnlyList<DebugRun> DebugRuns { get; }

    /// <summary>Times per output token, the cleaner ones first.</summary>
    public List<DerivedTpot> Tpots { get; } = [];

    /// <summary>What has to be known, in sentences.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>Whether anything was measured at all.</summary>
    public bool HasAny => Runs.Any(run => run.Mean is not null) || DebugRuns.Any(run => run.Ttft is not null);

    /// <summary>Puts reports and logs together.</summary>
    /// <param name="runs">Reports.</param>
    /// <param name="debugRuns">Logs.</param>
    /// <param name="tokens">Output tokens of each stream where the data of a run do not limit them; null: not known.</param>
    /// <exception cref="UsageException">The reports are of different targets.</exception>
    public static GhzSummary Of(IReadOnlyList<GhzRun> runs, IReadOnlyList<DebugRun> debugRuns, long? tokens)
    {
        foreach (var run in runs.Skip(1))
        {
            RefuseMixed(runs[0], run, "call", runs[0].Report.Options.Call, run.Report.Options.Call);
            RefuseMixed(runs[0], run, "host", runs[0].Report.Options.Host, run.Report.Options.Host);
        }

        var summary = new GhzSummary(runs, debugRuns);
        foreach (var run in runs) summary.NoteRun(run);
        summary.Derive(tokens);
        foreach (var run in debugRuns) summary.NoteLog(run);
        return summary;
    }

    private static void RefuseMixed(GhzRun one, GhzRun other, string what, string? ones, string? others)
    {
        if (string.Equals(ones, others, StringComparison.Ordinal)) return;
        throw new UsageException($"'{one.Path}' and '{other.Path}' are of different targets: {what} '{ones}' and '{others}'. Report on them one by one.");
    }

    private void Derive(long? tokens)
    {
        foreach (var first in Runs.Where(run => run is { CutAt: 1, Mean: not null }))
        {
            foreach (var longer in Runs.Where(run => run.CutAt != 1 && run.Mean is not null).OrderBy(run => run.CutAt is null))
            {
                if (first.DifferenceTo(longer) is { } difference)
                {
                    Notes.Add($"{first.Name} and {longer.Name} differ in {difference}: means of different loads do not subtract.");
                    continue;
                }

                var (name, last) = longer.CutAt is { } cut ? ($"T{cut}", cut) : ("full", longer.OutputTokens ?? tokens ?? 0);
                if (last > 1)
                    Tpots.Add(new DerivedTpot((longer.Mean!.Value - first.Mean!.Value) / (last - 1), $"({name} - T1) / ({last} - 1)", first, longer));
                else if (longer.CutAt is null)
                    Notes.Add($"{longer.Name}: how many tokens a stream had is not known, so no TPOT follows; limit them in data, or say --tokens.");
            }
        }

        if (Tpots.Count == 0) return;
        Notes.Add("Only means subtract: this TPOT has no percentiles. A message counts as one token.");
        if (Tpots.Exists(tpot => tpot.Longer.CutAt is null))
        {
            Notes.Add("(full - T1) / (n - 1) holds only if every answer has n tokens, and it includes what follows the last token: finish and trailers. "
                + "A run cut at message k < n is cleaner.");
        }
    }

    private void NoteRun(GhzRun run)
    {
        if (run.Mean is null) Notes.Add($"{run.Name}: no call was measured. ghz ends with exit code 0 all the same.");
        if (run.Failed > 0)
        {
            var closed = run.Report.ErrorDistribution?.Where(pair => GhzRun.IsClosed(pair.Key)).Sum(pair => pair.Value) ?? 0;
            Notes.Add($"{run.Name}: {run.Failed} of {run.Report.Count} calls failed ({Statuses(run)}); they are in no latency here."
                + (closed > 0 ? $" {closed} of them were closed by ghz at the end of the run: with duration-stop wait they would have finished." : ""));
        }

        if (run.CutAt is not null)
        {
            Notes.Add($"{run.Name}: cut at message {run.CutAt}, so its calls end in Canceled on purpose"
                + (run.Report.LatencyDistribution is not { Count: > 0 } ? ", and without count-errors ghz's own percentiles are empty: these are from its details." : "."));
            if (run.Report.Options.Concurrency > 1 || run.HasRate)
                Notes.Add($"{run.Name}: cut calls free the server's places early, so this is a lighter load than whole streams. Under load, measure with one caller beside whole streams (probe and background).");
        }

        if (run.HasRate && run.Report.Options.Async != true)
            Notes.Add($"{run.Name}: a rate without async: a slow answer holds back the next call, and the latencies leave that wait out (coordinated omission).");
        if (!run.HasAllDetails)
            Notes.Add($"{run.Name}: {run.Report.Details?.Count ?? 0} of {run.Report.Count} calls are in the details (ghz lists at most {GhzReport.MostDetails:N0}); percentiles are of those.");
    }

    private void NoteLog(DebugRun run)
    {
        var name = System.IO.Path.GetFileName(run.Path);
        if (run.Ttft is null) Notes.Add($"{name}: no call with a first message is whole.");
        if (run.Refusal is not null) Notes.Add($"{name}: no gaps, since {run.Refusal}.");
        foreach (var (failure, count) in run.Failures) Notes.Add($"{name}: {count} calls failed: {failure}.");
        if (run.Ttft is not null && !run.TokensAreCounted) Notes.Add($"{name}: the lines do not show a chunk's tokens; each counts as one.");
        if (run.Ttft is not null) Notes.Add($"{name}: times at which ghz wrote its lines: its own work between is included.");
    }

    private static string Statuses(GhzRun run) => string.Join(", ", run.Report.StatusCodeDistribution!
        .OrderByDescending(pair => pair.Value).Select(pair => $"{pair.Key} {pair.Value}"));
}
