namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Monotonic clock of one call, starting at acceptance: when the request reached the server's first code, before
/// identification, validation and queue. Immutable and thread-safe.
/// </summary>
internal sealed class CallClock
{
    private readonly long _start;
    private readonly double _microsecondsPerTick;

    public CallClock(TimeProvider timeProvider)
    {
        TimeProvider = timeProvider;
        _start = timeProvider.GetTimestamp();
        _microsecondsPerTick = 1_000_000d / timeProvider.TimestampFrequency;
        AcceptedAt = timeProvider.GetUtcNow();
    }

    /// <summary>Source of this clock.</summary>
    public TimeProvider TimeProvider { get; }

    /// <summary>Wall-clock time of acceptance, for records only.</summary>
    public DateTimeOffset AcceptedAt { get; }

    /// <summary>Whole microseconds since acceptance.</summary>
    public long ElapsedMicroseconds => (long)((TimeProvider.GetTimestamp() - _start) * _microsecondsPerTick);
}
