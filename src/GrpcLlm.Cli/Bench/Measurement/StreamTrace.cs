using GrpcLlm.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>
/// What one call did and when, in nanoseconds since the start of the run. Written by the call while it runs, then read by
/// <see cref="RunAggregate"/>, then used again for another call. Reading a message allocates nothing once its buffers have
/// grown. Not thread-safe.
/// </summary>
/// <param name="step">Length of a step of the timeline in nanoseconds.</param>
internal sealed class StreamTrace(long step = RunClock.Second)
{
    /// <summary>No such moment.</summary>
    public const long Never = -1;

    private readonly List<StepArrivals> _arrivals = [];

    /// <summary>Number of the call, from 0.</summary>
    public long Number { get; private set; }

    /// <summary>When it was to start.</summary>
    public long Planned { get; private set; }

    /// <summary>When it did.</summary>
    public long Sent { get; private set; }

    /// <summary>Whether it is left out of the figures.</summary>
    public bool IsWarmup { get; private set; }

    /// <summary>Streams open when it started, itself included.</summary>
    public int OpenAtStart { get; private set; }

    /// <summary>First token, or <see cref="Never"/>.</summary>
    public long FirstToken { get; private set; }

    /// <summary>Last token, or <see cref="Never"/>.</summary>
    public long LastToken { get; private set; }

    /// <summary>End of the call.</summary>
    public long Ended { get; private set; }

    /// <summary>Messages that arrived.</summary>
    public long Chunks { get; private set; }

    /// <summary>Output tokens that arrived.</summary>
    public long Tokens { get; private set; }

    /// <summary>How it ended.</summary>
    public StreamEnd End { get; private set; }

    /// <summary>Its finish; null if it failed or was cut on purpose.</summary>
    public Finish? Finish { get; private set; }

    /// <summary>Why it failed; null if it did not.</summary>
    public GenerationException? Failure { get; private set; }

    /// <summary>The gap before each token after the first.</summary>
    public TokenGaps Gaps { get; } = new();

    /// <summary>Output tokens that arrived after the warm-up, whatever the call's own place is.</summary>
    public long MeasuredTokens { get; private set; }

    /// <summary>Messages that arrived after the warm-up, whatever the call's own place is.</summary>
    public long MeasuredChunks { get; private set; }

    /// <summary>What arrived, by step of the timeline.</summary>
    public IReadOnlyList<StepArrivals> Arrivals => _arrivals;

    /// <summary>Call start to first token; null without one.</summary>
    public long? Ttft => FirstToken == Never ? null : FirstToken - Planned;

    /// <summary>Call start to the end.</summary>
    public long E2e => Ended - Planned;

    /// <summary>Tokens that TPOT rests on: as the server tells them where it does, else those that arrived.</summary>
    public long TpotTokens => Finish?.Timing is { TpotTokens: > 0 and var told } ? told : Tokens;

    /// <summary>All output tokens: as the server tells them where it does, else those that arrived.</summary>
    public long OutputTokens => Finish?.Usage is { OutputTokens: > 0 and var told } ? told : Tokens;

    /// <summary>Time per output token; null below two tokens.</summary>
    public long? Tpot => TpotTokens < 2 || FirstToken == Never ? null : Divide(LastToken - FirstToken, TpotTokens - 1);

    /// <summary>Time per output token from end to end; null without tokens.</summary>
    public long? Ntpot => OutputTokens == 0 ? null : Divide(E2e, OutputTokens);

    /// <summary>Begins a call.</summary>
    /// <param name="number">Its number.</param>
    /// <param name="planned">When it was to start.</param>
    /// <param name="sent">When it does.</param>
    /// <param name="isWarmup">Whether it is left out of the figures.</param>
    /// <param name="openAtStart">Streams open now, this one included.</param>
    public void Start(long number, long planned, long sent, bool isWarmup, int openAtStart)
    {
        Number = number;
        Planned = planned;
        Sent = sent;
        IsWarmup = isWarmup;
        OpenAtStart = openAtStart;
        FirstToken = LastToken = Never;
        Ended = sent;
        Chunks = Tokens = MeasuredChunks = MeasuredTokens = 0;
        End = StreamEnd.Unfinished;
        Finish = null;
        Failure = null;
        Gaps.Clear();
        _arrivals.Clear();
    }

    /// <summary>Takes a message.</summary>
    /// <param name="chunk">The message.</param>
    /// <param name="now">When it arrived.</param>
    /// <param name="isMeasured">Whether the warm-up was over then.</param>
    public void Observe(TokenChunk chunk, long now, bool isMeasured)
    {
        Chunks++;
        if (isMeasured)
        {
            MeasuredChunks++;
            MeasuredTokens += chunk.TokenCount;
        }

        CountArrival((int)(now / step), chunk.TokenCount);
        if (chunk.TokenCount == 0) return;
        if (FirstToken == Never) FirstToken = now;
        else Gaps.Add(now - LastToken);

        // Within a message only the server knows; tokens of which it tells nothing came together.
        var told = Math.Min((long)chunk.TokenGapsUs.Count, chunk.TokenCount);
        for (var index = 1; index < told; index++) Gaps.Add(chunk.TokenGapsUs[index] * RunClock.Microsecond);
        Gaps.AddZeros(chunk.TokenCount - Math.Max(told, 1));
        Tokens += chunk.TokenCount;
        LastToken = now;
    }

    /// <summary>The stream came to its end.</summary>
    public void Finished(Finish finish, long now)
    {
        Finish = finish;
        Ended = now;
        End = StreamEnd.Finished;
    }

    /// <summary>The call was cancelled on purpose, after the number of messages that was asked for.</summary>
    public void Cut(long now)
    {
        Ended = now;
        End = StreamEnd.Cut;
    }

    /// <summary>The call failed.</summary>
    public void Failed(GenerationException failure, long now)
    {
        Failure = failure;
        Ended = now;
        End = StreamEnd.Failed;
    }

    /// <summary>The run was over before the call was.</summary>
    public void LeftUnfinished(long now) => Ended = now;

    private static long Divide(long nanoseconds, long by) => (nanoseconds + (by / 2)) / by;

    private void CountArrival(int index, uint tokens)
    {
        if (_arrivals.Count > 0 && _arrivals[^1].Step == index)
            _arrivals[^1] = new StepArrivals(index, _arrivals[^1].Chunks + 1, _arrivals[^1].Tokens + tokens);
        else
            _arrivals.Add(new StepArrivals(index, 1, tokens));
    }
}

/// <summary>How a call ended.</summary>
internal enum StreamEnd
{
    /// <summary>It has not, or the run was over before.</summary>
    Unfinished,

    /// <summary>With a finish.</summary>
    Finished,

    /// <summary>Cancelled on purpose after the number of messages that was asked for.</summary>
    Cut,

    /// <summary>In an error.</summary>
    Failed,
}

/// <summary>What arrived in a step of the timeline.</summary>
/// <param name="Step">Number of the step, from 0.</param>
/// <param name="Chunks">Messages.</param>
/// <param name="Tokens">Output tokens.</param>
internal readonly record struct StepArrivals(int Step, long Chunks, long Tokens);
