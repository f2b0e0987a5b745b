namespace GrpcLlm.Server.Admission;

/// <summary>
/// How fast places become free while all of them are taken: the smoothed interval between two releases. Forgotten when a
/// place stays free, since then nobody waits. Not thread-safe: under the queue's lock.
/// </summary>
internal struct ReleasePace
{
    /// <summary>Share of the newest interval in the smoothed one.</summary>
    private const double Weight = 1 / 8d;

    private long? _last;
    private double? _interval;

    /// <summary>A place became free while none was.</summary>
    public void NoteRelease(long timestamp)
    {
        if (_last is { } last)
        {
            double newest = timestamp - last;
            _interval = _interval is { } smoothed ? smoothed + ((newest - smoothed) * Weight) : newest;
        }

        _last = timestamp;
    }

    /// <summary>A place is free now.</summary>
    public void Reset() => this = default;

    /// <summary>Time in which so many places become free; null: nothing is known.</summary>
    public readonly TimeSpan? TimeFor(long releases, TimeProvider timeProvider) => _interval is { } interval
        ? TimeSpan.FromSeconds(Math.Min(interval * releases / timeProvider.TimestampFrequency, TimeSpan.SecondsPerDay))
        : null;
}
