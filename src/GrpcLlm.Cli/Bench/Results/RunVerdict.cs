using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Results;

/// <summary>Whether a run did what it had to.</summary>
internal enum VerdictKind
{
    /// <summary>Nothing was required of it.</summary>
    None,

    /// <summary>All that was required.</summary>
    Met,

    /// <summary>Not all that was required.</summary>
    Missed,
}

/// <summary>Whether a run did what it had to, and by how much.</summary>
/// <param name="Kind">The verdict.</param>
/// <param name="Reasons">A sentence for each requirement, or why there is no verdict.</param>
internal sealed record RunVerdict(VerdictKind Kind, IReadOnlyList<string> Reasons)
{
    /// <summary>Judges a run by its required goodput and its error budget. A run without a measured stream meets neither.</summary>
    public static RunVerdict Of(BenchRun run)
    {
        var measured = run.Streams.Succeeded + run.Streams.Failed;
        var met = true;
        var reasons = new List<string>();
        if (run.Goodput is { } goodput)
        {
            var required = goodput.Required is { } least ? $"; {Figures.Given(Figures.Share(least))} had to" : "";
            reasons.Add($"{Figures.Share(goodput.Share)} of the measured streams met every objective{required}.");
            met &= !(goodput.Share < goodput.Required);
        }

        if (run.ErrorBudget is { } budget)
        {
            var failed = FailedShare(run) ?? 0;
            reasons.Add($"{Figures.Share(failed)} failed; {(budget == 0 ? "none" : Figures.Given(Figures.Share(budget)))} may.");
            met &= failed <= budget;
        }

        if (run.ErrorBudget is null && run.Goodput?.Required is null) return new RunVerdict(VerdictKind.None, reasons);
        if (measured > 0) return new RunVerdict(met ? VerdictKind.Met : VerdictKind.Missed, reasons);
        return new RunVerdict(VerdictKind.Missed, ["No stream was measured."]);
    }

    /// <summary>The share of measured streams that failed, 0 to 1; null: none was measured.</summary>
    public static double? FailedShare(BenchRun run) =>
        run.Streams.Succeeded + run.Streams.Failed is > 0 and var measured ? (double)run.Streams.Failed / measured : null;
}
