namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>Nanoseconds since the start of a run, on one monotonic clock. Thread-safe.</summary>
internal sealed class RunClock
{
    /// <summary>Nanoseconds in a second.</summary>
    public const long Second = 1_000_000_000;

    /// <summary>Nanoseconds in a microsecond.</summary>
    public const long Microsecond = 1_000;

    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly double _nanosecondsPerTick;

    /// <summary>Starts the clock.</summary>
    public RunClock(TimeProvider time)
    {
        _time = time;
        _nanosecondsPerTick = (double)Second / time.TimestampFrequency;
        StartedAt = time.GetUtcNow();
        _start = time.GetTimestamp();
    }

    /// <summary>When the run started.</summary>
    public DateTimeOffset StartedAt { get; }

    /// <summary>Time since then; exact to the nanosecond for a hundred days.</summary>
    public long Now() => (long)((_time.GetTimestamp() - _start) * _nanosecondsPerTick);

    /// <summary>A span in nanoseconds.</summary>
    public static long Of(TimeSpan span) => span.Ticks * (Second / TimeSpan.TicksPerSecond);

    /// <summary>Nanoseconds as a span, rounded up so that a wait does not end too early.</summary>
    public static TimeSpan SpanOf(long nanoseconds) =>
        TimeSpan.FromTicks((nanoseconds + (Second / TimeSpan.TicksPerSecond) - 1) / (Second / TimeSpan.TicksPerSecond));
}
