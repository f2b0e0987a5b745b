namespace GrpcLlm.Cli.Bench.Results;

/// <summary>What the end of a run means.</summary>
internal static class RunEnds
{
    /// <summary>Whether a run came to its planned end, so that its figures are of the whole load.</summary>
    public static bool IsPlanned(RunEnd end) => end is RunEnd.Total or RunEnd.Duration or RunEnd.Schedule;

    /// <summary>Why it ended, in words.</summary>
    public static string Words(RunEnd end) => end switch
    {
        RunEnd.Total => "number of calls reached",
        RunEnd.Duration => "time over",
        RunEnd.Schedule => "schedule at its end",
        RunEnd.Interrupted => "interrupted",
        RunEnd.OpenLimit => "too many streams open",
        _ => "target lost",
    };
}
