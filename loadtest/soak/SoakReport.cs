using System.Globalization;

namespace GrpcLlm.Soak;

/// <summary>What came of a run, for the terminal.</summary>
internal sealed record SoakReport(SoakPlan Plan, Tally Tally, long Checked, IReadOnlyList<string> Broken)
{
    private const double MiB = 1 << 20;
    private const int MostRules = 50;
    private const int MostOfARule = 3;

    public required int Restarts { get; init; }

    public required (int Taken, int Rejected) Reloads { get; init; }

    public required long Records { get; init; }

    public required int MostConnections { get; init; }

    public required TrendResult Memory { get; init; }

    public required TrendResult Heap { get; init; }

    public required TrendResult Descriptors { get; init; }

    public required int Samples { get; init; }

    public void Print(TextWriter writer)
    {
        Table(writer, "streams by ending", Tally.Endings);
        Table(writer, "streams by their client", Tally.Behaviours);
        Table(writer, "answers of the upstream", Tally.Faults);
        Line(writer, "calls, tokens", $"{Tally.Calls:N0}, {Tally.Tokens:N0}");
        Line(writer, "usage records", $"{Records:N0}");
        Line(writer, "restarts, reloads, refused", $"{Restarts}, {Reloads.Taken}, {Reloads.Rejected}");
        Line(writer, "retried past a restart", $"{Tally.Retries.Retried}, {Tally.Retries.Lost} lost");
        Line(writer, "most upstream connections", $"{MostConnections}");
        Line(writer, "resident memory", Growth(Memory, MiB, "MiB"));
        Line(writer, "managed heap", Growth(Heap, MiB, "MiB"));
        Line(writer, "file descriptors", Growth(Descriptors, 1, ""));
        Line(writer, "checks", $"{Checked:N0}, {Broken.Count:N0} broken");

        // A fault breaks the same rule for many calls, and another one must not hide behind it.
        foreach (var rule in Broken.GroupBy(static broken => broken.Split(" — ")[0], StringComparer.Ordinal).Take(MostRules))
        {
            writer.WriteLine($"BROKEN  {rule.Count():N0} times  {rule.Key}");
            foreach (var broken in rule.Take(MostOfARule)) writer.WriteLine($"        {broken}");
        }

        if (Broken.Count > 0) writer.WriteLine($"again: --seed {Plan.Seed} --duration {Plan.Duration.TotalSeconds:0}s --callers {Plan.Callers}");
    }

    private string Growth(TrendResult trend, double unit, string name) => string.Create(
        CultureInfo.InvariantCulture, $"{trend.Growth / unit:+0.0;-0.0;0} {name} over {Samples} samples ({trend.Slope * 3600 / unit:+0.0;-0.0;0} an hour, z {trend.Z:0.0})");

    private static void Table(TextWriter writer, string title, SortedDictionary<string, long> rows)
    {
        writer.WriteLine(title);
        foreach (var (name, count) in rows) writer.WriteLine($"  {name,-58} {count,9:N0}");
    }

    private static void Line(TextWriter writer, string name, string value) => writer.WriteLine($"{name,-28} {value}");
}
