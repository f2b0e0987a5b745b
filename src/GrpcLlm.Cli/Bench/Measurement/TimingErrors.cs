using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>
/// What was measured less what a known schedule says, token by token. The schedule's own keeper is in it too: a server that
/// is late looks like a client that is. Keeps every value: for runs of bounded length. Not thread-safe.
/// </summary>
/// <param name="ttft">Time to first token that the schedule says.</param>
/// <param name="itl">Time between tokens that the schedule says.</param>
internal sealed class TimingErrors(TimeSpan ttft, TimeSpan itl)
{
    private readonly List<long> _ttft = [];
    private readonly List<long> _tokens = [];

    /// <summary>Takes a stream; those of the warm-up and failed ones are passed over.</summary>
    public void Add(StreamTrace trace)
    {
        if (trace.IsWarmup || !StreamOutcome.IsSuccess(trace) || trace.FirstToken == StreamTrace.Never) return;
        _ttft.Add(trace.FirstToken - trace.Sent - RunClock.Of(ttft));
        long arrived = 0, due = 0;
        foreach (var gap in trace.Gaps.Kept)
        {
            arrived += gap;
            due += RunClock.Of(itl);
            _tokens.Add(arrived - due);
        }
    }

    /// <summary>The errors; null if nothing was measured.</summary>
    public TimingCheck? ToCheck() => _ttft.Count == 0 || _tokens.Count == 0 ? null : new TimingCheck
    {
        ScheduledTtft = ttft.TotalMilliseconds,
        ScheduledItl = itl.TotalMilliseconds,
        TtftError = PercentilesOf(_ttft),
        TokenError = PercentilesOf(_tokens),
    };

    private static Percentiles PercentilesOf(List<long> values)
    {
        values.Sort();
        return new Percentiles { P50 = At(values, 50), P90 = At(values, 90), P99 = At(values, 99) };
    }

    /// <summary>By nearest rank, as everywhere.</summary>
    private static double At(List<long> sorted, int percent) =>
        Distributions.Milliseconds(sorted[(int)((((long)percent * sorted.Count) + 99) / 100) - 1]);
}
