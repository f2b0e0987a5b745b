namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>
/// The pauses in which the whole simulator stands still. Pause n, from 1, begins n times <paramref name="every"/> after
/// the first call. All times are those of the <see cref="Pacer"/>. Thread-safe.
/// </summary>
/// <param name="every">From the beginning of one to that of the next; 0: there are none.</param>
/// <param name="length">Less than <paramref name="every"/>.</param>
internal sealed class SimulatorPauses(TimeSpan every, TimeSpan length)
{
    private const long NotBegun = -1;

    private readonly long _every = every.Ticks;
    private readonly long _length = length.Ticks;
    private long _first = NotBegun;

    /// <summary>A call comes; the first one begins the count.</summary>
    public void Begin(TimeSpan now) => Interlocked.CompareExchange(ref _first, now.Ticks, NotBegun);

    /// <summary>When the simulator will have run for so long since a moment.</summary>
    /// <param name="start">The moment; not before the first call.</param>
    /// <param name="work">Time without pauses. 0 gives the moment itself, or the end of the pause that it lies in.</param>
    public TimeSpan After(TimeSpan start, TimeSpan work)
    {
        if (_every == 0) return start + work;
        var first = Volatile.Read(ref _first);
        return TimeSpan.FromTicks(first + Elapsed(Run(start.Ticks - first) + work.Ticks));
    }

    /// <summary>Of a time since the first call, the part in which the simulator ran.</summary>
    private long Run(long elapsed)
    {
        var begun = elapsed / _every;
        return begun == 0 ? elapsed : elapsed - ((begun - 1) * _length) - Math.Min(elapsed - (begun * _every), _length);
    }

    /// <summary>The time since the first call after which the simulator has run for so long.</summary>
    private long Elapsed(long run) => run < _every ? run : run + ((1 + ((run - _every) / (_every - _length))) * _length);
}
