using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>
/// All streams of a run, added up as they end. One task owns it, so there is nothing to lock and nothing to merge; its
/// memory does not grow with the number of streams. Not thread-safe.
/// </summary>
internal sealed class RunAggregate
{
    /// <summary>Most streams that are told one by one.</summary>
    public const int MostSamples = 2000;

    /// <summary>Ten days in nanoseconds.</summary>
    private const long LongestCall = 10 * 86_400 * RunClock.Second;

    private readonly IReadOnlyList<Slo> _slos;
    private readonly long[] _sloMet;
    private readonly Dictionary<string, Histogram> _metrics = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _finishReasons = new(StringComparer.Ordinal);
    private readonly ErrorTally _errors = new();
    private readonly Timeline _timeline;
    private readonly Reservoir<StreamSample> _samples;
    private readonly bool _isOpenLoop;
    private long _good;
    private long _inputTokens;
    private long _tokens;
    private long _chunks;

    /// <param name="slos">Objectives of single streams.</param>
    /// <param name="isOpenLoop">Whether calls have a planned start of their own.</param>
    /// <param name="seed">Seed of the sample.</param>
    /// <param name="step">Length of the timeline's shortest step in nanoseconds.</param>
    public RunAggregate(IReadOnlyList<Slo> slos, bool isOpenLoop, long seed, long step = RunClock.Second)
    {
        _slos = slos;
        _sloMet = new long[slos.Count];
        _isOpenLoop = isOpenLoop;
        _timeline = new Timeline(step);
        _samples = new Reservoir<StreamSample>(MostSamples, seed);
    }

    /// <summary>How many streams became what.</summary>
    public StreamCounts Counts { get; private set; } = new();

    /// <summary>When the first measured stream was planned, in nanoseconds; the largest number before there is one.</summary>
    public long FirstMeasured { get; private set; } = long.MaxValue;

    /// <summary>When the last measured stream ended, in nanoseconds.</summary>
    public long LastEnded { get; private set; }

    /// <summary>Most streams open at once.</summary>
    public int MostOpen { get; private set; }

    /// <summary>The distributions so far.</summary>
    public Histogram? MetricOf(string name) => _metrics.GetValueOrDefault(name);

    /// <summary>Whether a stream meets every objective.</summary>
    public bool IsGood(StreamTrace trace) => StreamOutcome.IsSuccess(trace) && _slos.All(slo => slo.IsMetBy(trace));

    /// <summary>Takes a stream that has ended, or that was left when the run was over.</summary>
    public void Add(StreamTrace trace)
    {
        var outcome = StreamOutcome.Of(trace);
        _timeline.Add(trace, outcome);
        _tokens += trace.MeasuredTokens;
        _chunks += trace.MeasuredChunks;
        MostOpen = Math.Max(MostOpen, trace.OpenAtStart);
        var isSuccess = StreamOutcome.IsSuccess(trace);
        Counts = new StreamCounts
        {
            Started = Counts.Started + 1,
            Warmup = Counts.Warmup + (trace.IsWarmup ? 1 : 0),
            Unfinished = Counts.Unfinished + (!trace.IsWarmup && trace.End == StreamEnd.Unfinished ? 1 : 0),
            Succeeded = Counts.Succeeded + (!trace.IsWarmup && isSuccess ? 1 : 0),
            Failed = Counts.Failed + (!trace.IsWarmup && trace.End == StreamEnd.Failed ? 1 : 0),
        };
        if (trace.IsWarmup) return;
        FirstMeasured = Math.Min(FirstMeasured, trace.Planned);
        LastEnded = Math.Max(LastEnded, trace.Ended);
        if (trace.End == StreamEnd.Unfinished) return;

        _samples.Offer((trace, outcome), static given => SampleOf(given.trace, given.outcome));
        if (isSuccess) AddSuccess(trace, outcome);
        else _errors.Add(trace);
    }

    /// <summary>Puts the results into a run.</summary>
    /// <param name="run">What else is known of it.</param>
    /// <param name="measuredFrom">End of the warm-up in nanoseconds.</param>
    /// <param name="requiredGoodput">Share of streams that has to meet every objective; null: it is only measured.</param>
    public BenchRun Complete(BenchRun run, long measuredFrom, double? requiredGoodput)
    {
        var from = Math.Min(measuredFrom, LastEnded);
        var seconds = (double)(LastEnded - from) / RunClock.Second;
        var judged = Counts.Succeeded + Counts.Failed;
        return run with
        {
            MeasuredSeconds = seconds,
            Streams = Counts,
            Throughput = new Throughput
            {
                InputTokens = _inputTokens,
                OutputTokens = _tokens,
                Chunks = _chunks,
                OutputTokensPerSecond = Rate(_tokens, seconds),
                ChunksPerSecond = Rate(_chunks, seconds),
                RequestsPerSecond = Rate(Counts.Succeeded, seconds),
            },
            Metrics = MetricNames.All
                .Where(metric => _metrics.ContainsKey(metric.Name))
                .ToDictionary(metric => metric.Name, metric => Distributions.Of(_metrics[metric.Name])!, StringComparer.Ordinal),
            Slos = [.. _slos.Select((slo, index) => new SloResult
            {
                Metric = slo.Metric,
                Limit = slo.Limit.TotalMilliseconds,
                Share = Rate(_sloMet[index], judged),
            })],
            Goodput = _slos.Count == 0 ? null : new Goodput
            {
                RequestsPerSecond = Rate(_good, seconds),
                Share = Rate(_good, judged),
                Required = requiredGoodput,
            },
            FinishReasons = _finishReasons,
            Errors = _errors.Counts,
            Timeline = _timeline.Points(measuredFrom),
            TimelineStepSeconds = _timeline.StepSeconds,
            StreamSamples = [.. _samples.Kept.OrderBy(static sample => sample.Planned).ThenBy(static sample => sample.Number)],
        };
    }

    private static double Rate(long count, double by) => by > 0 ? count / by : 0;

    private void AddSuccess(StreamTrace trace, string outcome)
    {
        _finishReasons[outcome] = _finishReasons.GetValueOrDefault(outcome) + 1;
        Record(MetricNames.Ttft, trace.Ttft);
        Record(MetricNames.Tpot, trace.Tpot);
        Record(MetricNames.Ntpot, trace.Ntpot);
        Record(MetricNames.E2e, trace.E2e);
        if (_isOpenLoop) Record(MetricNames.ScheduleDelay, trace.Sent - trace.Planned);
        if (trace.Tokens > 1) trace.Gaps.AddTo(HistogramOf(MetricNames.Itl));
        if (trace.Finish is { } finish) AddServerSide(trace, finish);

        var good = true;
        for (var index = 0; index < _slos.Count; index++)
        {
            if (_slos[index].IsMetBy(trace)) _sloMet[index]++;
            else good = false;
        }

        if (good) _good++;
    }

    private void AddServerSide(StreamTrace trace, Finish finish)
    {
        if (finish.Usage is { HasInputTokens: true } usage) _inputTokens += usage.InputTokens;
        if (finish.Timing is not { } timing) return;
        if (timing.HasTtftUs)
        {
            var ttft = Nanoseconds(timing.TtftUs);
            Record(MetricNames.ServerTtft, ttft);

            // Both clocks are cut to their own grain, so nothing can come out a little below nothing.
            if (trace.FirstToken != StreamTrace.Never)
                Record(MetricNames.NetworkTtft, Math.Max(0, trace.FirstToken - trace.Sent - ttft));
        }

        if (timing.HasTpotUs) Record(MetricNames.ServerTpot, Nanoseconds(timing.TpotUs));
        Record(MetricNames.ServerQueue, Nanoseconds(timing.QueueUs));
        Record(MetricNames.ServerOverhead, Nanoseconds(timing.OverheadUs));
        Record(MetricNames.ServerTotal, Nanoseconds(timing.TotalUs));
        Record(MetricNames.ClientStall, Nanoseconds(timing.ClientStallUs));
    }

    private void Record(string name, long? value)
    {
        if (value is { } given) HistogramOf(name).Record(given);
    }

    private Histogram HistogramOf(string name)
    {
        if (_metrics.TryGetValue(name, out var histogram)) return histogram;
        return _metrics[name] = new Histogram();
    }

    /// <summary>The server's microseconds. They are its own word: what no call can last is cut, what is no number is nothing.</summary>
    private static long Nanoseconds(double microseconds) =>
        (long)Math.Clamp(microseconds * RunClock.Microsecond, 0, LongestCall);

    private static StreamSample SampleOf(StreamTrace trace, string outcome) => new()
    {
        Number = trace.Number,
        Planned = Distributions.Milliseconds(trace.Planned),
        Sent = Distributions.Milliseconds(trace.Sent),
        FirstToken = trace.FirstToken == StreamTrace.Never ? null : Distributions.Milliseconds(trace.FirstToken),
        LastToken = trace.LastToken == StreamTrace.Never ? null : Distributions.Milliseconds(trace.LastToken),
        Ended = Distributions.Milliseconds(trace.Ended),
        ServerQueue = trace.Finish?.Timing is { } timing ? Distributions.Milliseconds(Nanoseconds(timing.QueueUs)) : null,
        OutputTokens = trace.Tokens,
        Chunks = trace.Chunks,
        Outcome = outcome,
        Succeeded = StreamOutcome.IsSuccess(trace),
    };
}
