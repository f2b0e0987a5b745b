namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Counts of the last so many equal stretches of time: a slot for each in which anything happened, the oldest giving way.
/// Thread-safe, without locks; the counts in a slot are for their owner to keep so.
/// </summary>
/// <typeparam name="T">The counts of a slot.</typeparam>
/// <param name="count">How many slots there are at most.</param>
/// <param name="length">How long each is.</param>
/// <param name="time">The clock.</param>
/// <param name="create">Makes an empty slot.</param>
internal sealed class SlotRing<T>(int count, TimeSpan length, TimeProvider time, Func<T> create)
    where T : class
{
    private readonly long _start = time.GetTimestamp();
    private readonly Place?[] _places = new Place?[count];

    /// <summary>Time since the beginning of slot 0.</summary>
    public TimeSpan Elapsed => time.GetElapsedTime(_start);

    /// <summary>Number of the slot of now.</summary>
    public long Number => Elapsed.Ticks / length.Ticks;

    /// <summary>The slot of now. One that is replaced meanwhile was as old as the ring is long, and is nobody's loss.</summary>
    public T Current
    {
        get
        {
            var number = Number;
            ref var place = ref _places[number % count];
            while (true)
            {
                var there = Volatile.Read(ref place);
                if (there is not null && there.Number >= number) return there.Slot;
                var fresh = new Place(number, create());
                if (ReferenceEquals(Interlocked.CompareExchange(ref place, fresh, there), there)) return fresh.Slot;
            }
        }
    }

    /// <summary>The slot of that number; null: nothing happened in it, it is too old or yet to come.</summary>
    public T? At(long number) =>
        number >= 0 && Volatile.Read(ref _places[number % count]) is { } there && there.Number == number ? there.Slot : null;

    private sealed record Place(long Number, T Slot);
}
