using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>
/// A run in steps of equal length. When there are more than <see cref="MostSteps"/>, neighbours are merged, so that a run
/// of any length takes bounded memory. Not thread-safe.
/// </summary>
/// <param name="step">Length of the shortest step in nanoseconds.</param>
internal sealed class Timeline(long step)
{
    /// <summary>Most steps that are kept.</summary>
    public const int MostSteps = 1200;

    /// <summary>Below 1 %: what a plot can show.</summary>
    private const int PrecisionBits = 7;

    private List<Step> _steps = [];
    private int _merged = 1;

    /// <summary>Length of a step in seconds.</summary>
    public double StepSeconds => (double)step * _merged / RunClock.Second;

    /// <summary>Takes a stream that has ended, or was left when the run was over.</summary>
    public void Add(StreamTrace trace, string reason)
    {
        var begin = At(trace.Sent);
        begin.Started++;
        begin.MostOpen = Math.Max(begin.MostOpen, trace.OpenAtStart);
        foreach (var arrived in trace.Arrivals)
        {
            var at = AtIndex(arrived.Step);
            at.Chunks += arrived.Chunks;
            at.Tokens += arrived.Tokens;
        }

        var end = At(trace.Ended);
        end.Ended++;
        if (trace.End == StreamEnd.Failed)
            end.Failed[reason] = end.Failed.GetValueOrDefault(reason) + 1;
        if (trace.End is not (StreamEnd.Finished or StreamEnd.Cut)) return;
        end.Succeeded++;
        if (trace.Ttft is { } ttft) (At(trace.FirstToken).Ttft ??= new Histogram(PrecisionBits)).Record(ttft);
        if (trace.Tpot is { } tpot) (end.Tpot ??= new Histogram(PrecisionBits)).Record(tpot);
    }

    /// <summary>The steps from the start of the run to the last one in which anything happened.</summary>
    /// <param name="measuredFrom">End of the warm-up in nanoseconds.</param>
    public IReadOnlyList<TimelinePoint> Points(long measuredFrom)
    {
        var points = new List<TimelinePoint>(_steps.Count);
        var open = 0L;
        for (var index = 0; index < _steps.Count; index++)
        {
            var one = _steps[index];
            var at = index * step * _merged;
            points.Add(new TimelinePoint
            {
                AtSeconds = (double)at / RunClock.Second,
                Warmup = at < measuredFrom,
                Started = one.Started,
                Succeeded = one.Succeeded,
                Failed = one.Failed,

                // The most are open where a stream starts, or at the very beginning of the step.
                Open = (int)Math.Max(open, one.MostOpen),
                OutputTokens = one.Tokens,
                Chunks = one.Chunks,
                Ttft = Distributions.PercentilesOf(one.Ttft),
                Tpot = Distributions.PercentilesOf(one.Tpot),
            });
            open += one.Started - one.Ended;
        }

        return points;
    }

    private Step At(long time) => AtIndex(time / step);

    private Step AtIndex(long index)
    {
        while (index / _merged >= MostSteps) MergeNeighbours();
        var at = (int)(index / _merged);
        while (_steps.Count <= at) _steps.Add(new Step());
        return _steps[at];
    }

    private void MergeNeighbours()
    {
        var merged = new List<Step>((_steps.Count / 2) + 1);
        for (var index = 0; index < _steps.Count; index += 2)
        {
            if (index + 1 < _steps.Count) _steps[index].Merge(_steps[index + 1]);
            merged.Add(_steps[index]);
        }

        _steps = merged;
        _merged *= 2;
    }

    private sealed class Step
    {
        public long Started { get; set; }

        public long Ended { get; set; }

        public long Succeeded { get; set; }

        public Dictionary<string, long> Failed { get; } = new(StringComparer.Ordinal);

        public int MostOpen { get; set; }

        public long Tokens { get; set; }

        public long Chunks { get; set; }

        public Histogram? Ttft { get; set; }

        public Histogram? Tpot { get; set; }

        public void Merge(Step later)
        {
            Started += later.Started;
            Ended += later.Ended;
            Succeeded += later.Succeeded;
            foreach (var (reason, count) in later.Failed) Failed[reason] = Failed.GetValueOrDefault(reason) + count;
            MostOpen = Math.Max(MostOpen, later.MostOpen);
            Tokens += later.Tokens;
            Chunks += later.Chunks;
            Ttft = Merge(Ttft, later.Ttft);
            Tpot = Merge(Tpot, later.Tpot);
        }

        private static Histogram? Merge(Histogram? earlier, Histogram? later)
        {
            if (earlier is null || later is null) return earlier ?? later;
            earlier.Merge(later);
            return earlier;
        }
    }
}
