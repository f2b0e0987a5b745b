using GrpcLlm.Cli.Bench.Reports;
using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Comparing;

/// <summary>
/// Compares two result files, metric by metric. There is a verdict only where each file holds at least
/// <see cref="FewestRuns"/> runs of one and the same load that came to their planned end, interleaved: in the order of
/// their start no more than <see cref="MostInARow"/> in a row are from one file. Runs in blocks would also measure what
/// changed on the machine between the blocks.
/// </summary>
/// <remarks>
/// A metric is better or worse if the whole 95 % interval of its effect (<see cref="Bootstrap"/>) is on one side of no
/// difference; a time also has to differ by more than the 0.1 % that a percentile may be off. Each metric is judged by
/// itself: without any difference, one comparison in about twenty metrics is off by chance.
/// </remarks>
internal static class Comparer
{
    /// <summary>Fewest runs of each file for a verdict.</summary>
    public const int FewestRuns = 5;

    /// <summary>Most runs in a row from one file for a verdict: A B A B and A B B A pass.</summary>
    public const int MostInARow = 2;

    /// <summary>How much too large a percentile of a result file may be, as a share.</summary>
    private const double PercentileError = 0.001;

    /// <summary>Compares a candidate with its base; the names are those of their files.</summary>
    public static Comparison Compare(string baselineName, BenchFile baseline, string candidateName, BenchFile candidate)
    {
        var left = Counting(baseline);
        var right = Counting(candidate);
        var obstacles = new List<string>();
        obstacles.AddRange(LoadDifferences(baselineName, left, candidateName, right));
        foreach (var (name, count) in ((string, int)[])[(baselineName, left.Count), (candidateName, right.Count)])
        {
            var verb = count == 1 ? "counts" : "count";
            if (count < FewestRuns)
                obstacles.Add($"{name} holds {Figures.Plural(count, "run")} that {verb}; a verdict takes at least {FewestRuns}.");
        }

        if (LongestRow(left, right) is > MostInARow and var row)
            obstacles.Add($"The runs are not interleaved: {row} in a row are from one file, at most {MostInARow} may be.");

        return new Comparison
        {
            Baseline = SideOf(baselineName, baseline, left.Count),
            Candidate = SideOf(candidateName, candidate, right.Count),
            Obstacles = obstacles,
            Notes = [.. Notes(baselineName, baseline, candidateName, candidate)],
            Metrics = [.. ComparedMetric.All.Select(metric => Compare(metric, left, right, obstacles.Count == 0)).OfType<MetricComparison>()],
        };
    }

    /// <summary>The runs that count: those that came to their planned end.</summary>
    public static List<BenchRun> Counting(BenchFile file) => [.. file.Runs.Where(run => RunEnds.IsPlanned(run.End))];

    private static MetricComparison? Compare(ComparedMetric metric, List<BenchRun> left, List<BenchRun> right, bool allowsVerdict)
    {
        double[] before = [.. left.Select(metric.Of).OfType<double>()];
        double[] after = [.. right.Select(metric.Of).OfType<double>()];
        if (before.Length == 0 && after.Length == 0) return null;
        double? baseline = before.Length > 0 ? Bootstrap.Median(before) : null;
        double? candidate = after.Length > 0 ? Bootstrap.Median(after) : null;
        var isRatio = metric.Kind != MetricKind.Share;
        var hasEffect = Math.Min(before.Length, after.Length) >= FewestRuns && !(isRatio && before.Contains(0));
        Interval? interval = hasEffect ? Bootstrap.Of(before, after, metric.Effect) : null;
        var why = allowsVerdict ? Obstacle(metric, before, after, left, right) : "";
        return new MetricComparison
        {
            Name = metric.Name,
            Baseline = baseline,
            Candidate = candidate,
            Difference = candidate - baseline,
            Ratio = baseline is 0 ? null : candidate / baseline,
            Interval = interval,
            Verdict = allowsVerdict && why.Length == 0 && interval is { } known ? VerdictOf(metric, known) : ComparisonVerdict.None,
            Why = why,
        };
    }

    private static string Obstacle(ComparedMetric metric, double[] before, double[] after, List<BenchRun> left, List<BenchRun> right)
    {
        if (Math.Min(before.Length, after.Length) < FewestRuns) return $"fewer than {FewestRuns} runs of a file have it";
        if (metric.Kind != MetricKind.Share && before.Contains(0)) return "it is 0 in a run of the base";
        var objectives = left.Concat(right).Select(Objectives).Distinct(StringComparer.Ordinal);
        return metric.Name == ComparedMetric.GoodputName && objectives.Skip(1).Any() ? "the objectives differ" : "";
    }

    private static ComparisonVerdict VerdictOf(ComparedMetric metric, Interval interval)
    {
        var (low, high) = metric.Kind == MetricKind.Time ? (1 / (1 + PercentileError), 1 + PercentileError) : (metric.Neutral, metric.Neutral);
        if (interval.Low > high) return metric.MoreIsBetter ? ComparisonVerdict.Better : ComparisonVerdict.Worse;
        if (interval.High < low) return metric.MoreIsBetter ? ComparisonVerdict.Worse : ComparisonVerdict.Better;
        return ComparisonVerdict.NoDifference;
    }

    private static string Objectives(BenchRun run) =>
        string.Join(' ', run.Slos.Select(slo => $"{slo.Metric}={slo.Limit:R}").Order(StringComparer.Ordinal));

    private static int LongestRow(List<BenchRun> left, List<BenchRun> right)
    {
        int longest = 0, row = 0;
        var last = -1;
        var starts = left.Select(run => (run.StartedAt, Side: 0)).Concat(right.Select(run => (run.StartedAt, Side: 1)));
        foreach (var (_, side) in starts.OrderBy(run => run.StartedAt).ThenBy(run => run.Side))
        {
            row = side == last ? row + 1 : 1;
            last = side;
            longest = Math.Max(longest, row);
        }

        return longest;
    }

    /// <summary>
    /// What of the load differs between any two runs. Target and model may: they are what is compared; and so may the seed,
    /// which is noise.
    /// </summary>
    private static IEnumerable<string> LoadDifferences(string baselineName, List<BenchRun> left, string candidateName, List<BenchRun> right)
    {
        if (left.Count == 0 || right.Count == 0) yield break;
        var first = left[0].Load;
        foreach (var (name, runs) in ((string, List<BenchRun>)[])[(baselineName, left), (candidateName, right)])
        {
            if (runs.Find(run => Comparable(run.Load) != Comparable(first)) is not { } other) continue;
            var (before, after) = (LoadText.Rows(Comparable(first)), LoadText.Rows(Comparable(other.Load)));
            var differing = before.Concat(after).Select(row => row.Name).Distinct(StringComparer.Ordinal)
                .Select(setting => (Name: setting, Before: ValueOf(before, setting), After: ValueOf(after, setting)))
                .Where(setting => setting.Before != setting.After)
                .Select(setting => $"{setting.Name} ({setting.Before} / {setting.After})");
            var named = string.Join(", ", differing.DefaultIfEmpty("values that look the same rounded"));
            yield return $"The load of {name} is not that of the first run of {baselineName}: {named}.";
        }
    }

    private static string ValueOf(IReadOnlyList<(string Name, string Value)> rows, string name) =>
        rows.Where(row => row.Name == name).Select(row => row.Value).FirstOrDefault("none");

    private static LoadSettings Comparable(LoadSettings load) => load with { Target = "", Model = "", Seed = 0 };

    private static ComparedSide SideOf(string name, BenchFile file, int counting) =>
        new(name, file.Runs[^1].Load.Target, file.Runs[^1].Load.Model, counting);

    private static IEnumerable<string> Notes(string baselineName, BenchFile baseline, string candidateName, BenchFile candidate)
    {
        foreach (var (name, file) in ((string, BenchFile)[])[(baselineName, baseline), (candidateName, candidate)])
        {
            var left = file.Runs.Count(run => !RunEnds.IsPlanned(run.End));
            var verb = left == 1 ? "does" : "do";
            if (left > 0) yield return $"{Figures.Plural(left, "run")} of {name} did not come to the planned end and {verb} not count.";
        }

        if (baseline.Runs.Concat(candidate.Runs).Select(run => run.Environment).Distinct().Skip(1).Any())
            yield return "Not all runs were measured by the same version of this program in the same environment.";
    }
}
