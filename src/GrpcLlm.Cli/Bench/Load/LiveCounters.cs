namespace GrpcLlm.Cli.Bench.Load;

/// <summary>What a running load has done so far, for the line on the terminal and for the run itself. Thread-safe, without locks.</summary>
internal sealed class LiveCounters
{
    private long _started;
    private long _ended;
    private long _failed;
    private long _tokens;
    private long _firstTokens;
    private long _ttftSum;
    private long _tpots;
    private long _tpotSum;
    private int _open;

    /// <summary>Streams open now.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>A stream starts.</summary>
    /// <returns>Streams open now, this one included.</returns>
    public int Start()
    {
        Interlocked.Increment(ref _started);
        return Interlocked.Increment(ref _open);
    }

    /// <summary>Tokens arrived.</summary>
    public void Arrived(uint tokens) => Interlocked.Add(ref _tokens, tokens);

    /// <summary>A first token arrived.</summary>
    public void FirstToken(long ttft)
    {
        Interlocked.Add(ref _ttftSum, ttft);
        Interlocked.Increment(ref _firstTokens);
    }

    /// <summary>A stream ended.</summary>
    public void End(bool failed, long? tpot)
    {
        Interlocked.Decrement(ref _open);
        Interlocked.Increment(ref _ended);
        if (failed) Interlocked.Increment(ref _failed);
        if (tpot is not { } value) return;
        Interlocked.Add(ref _tpotSum, value);
        Interlocked.Increment(ref _tpots);
    }

    /// <summary>All counters, each as it is now.</summary>
    public LiveSnapshot Take() => new(
        Volatile.Read(ref _started), Volatile.Read(ref _ended), Volatile.Read(ref _failed), Volatile.Read(ref _tokens),
        Volatile.Read(ref _firstTokens), Volatile.Read(ref _ttftSum), Volatile.Read(ref _tpots), Volatile.Read(ref _tpotSum), Open);
}

/// <summary>Counters at one moment. Times are sums in nanoseconds.</summary>
internal readonly record struct LiveSnapshot(
    long Started, long Ended, long Failed, long Tokens, long FirstTokens, long TtftSum, long Tpots, long TpotSum, int Open);
