namespace GrpcLlm.Server.Admission;

/// <summary>
/// A number of units a minute, earned continuously; as many may be used at once, and use beyond them is a debt that is
/// earned back first. Exact to a thousandth of a unit. Thread-safe: one compare-and-swap, no lock, no allocation.
/// <code>
///   earned  ─── a line that rises with time ──────────────►
///   full    ─────────────────── where earned must come to ─|
///            ◄───── used ─────►                              what is left = units a minute − used
/// </code>
/// (System.Threading.RateLimiting has a clock of its own, no debt, and limits that cannot change in place.)
/// </summary>
internal sealed class MinuteBudget
{
    /// <summary>Parts of a unit in which all is counted: 10⁹ units a minute last for 17 years in 63 bits.</summary>
    private const long Parts = 1000;

    private readonly TimeProvider _time;
    private volatile Rate _rate;
    private long _full;

    /// <param name="perMinute">Units a minute; 1 to 1,000,000,000. All of them are there at first.</param>
    /// <param name="timeProvider">The clock.</param>
    public MinuteBudget(int perMinute, TimeProvider timeProvider)
    {
        _time = timeProvider;
        _rate = new Rate(perMinute, 0, timeProvider.GetTimestamp(), 60 * timeProvider.TimestampFrequency);
    }

    /// <summary>Units a minute, and the most that are there at once.</summary>
    public int PerMinute => _rate.PerMinute;

    /// <summary>Whole units that are left; negative while there is a debt.</summary>
    public long Available
    {
        get
        {
            var rate = _rate;
            var left = rate.Capacity - Used(Volatile.Read(ref _full), rate.EarnedAt(_time.GetTimestamp()));
            return (left - (left < 0 ? Parts - 1 : 0)) / Parts;
        }
    }

    /// <summary>Takes an amount if all of it is left, else nothing.</summary>
    /// <param name="amount">Units; more than there ever are at once counts as all of them.</param>
    /// <param name="reserved">Units taken; 0 if none.</param>
    /// <param name="retryAfter">If nothing was taken, the wait after which there is enough unless others take it.</param>
    public bool TryReserve(long amount, out long reserved, out TimeSpan retryAfter)
    {
        while (true)
        {
            var rate = _rate;
            var now = _time.GetTimestamp();
            var earned = rate.EarnedAt(now);
            var full = Volatile.Read(ref _full);
            reserved = Math.Clamp(amount, 0, rate.PerMinute);
            var next = Math.Max(full, earned) + (reserved * Parts);
            if (next - earned > rate.Capacity)
            {
                reserved = 0;
                retryAfter = ToTimeSpan(rate.TimestampOf(next - rate.Capacity) - now);
                return false;
            }

            if (Interlocked.CompareExchange(ref _full, next, full) != full) continue;
            retryAfter = TimeSpan.Zero;
            return true;
        }
    }

    /// <summary>
    /// Takes an amount if anything is left, be it less: so that concurrent draws together go beyond the budget by one of
    /// them at most.
    /// </summary>
    /// <param name="amount">Units, 0 or more.</param>
    /// <param name="isSpent">Whether nothing is left now.</param>
    public bool Draw(long amount, out bool isSpent)
    {
        while (true)
        {
            var rate = _rate;
            var earned = rate.EarnedAt(_time.GetTimestamp());
            var full = Volatile.Read(ref _full);
            var used = Used(full, earned);
            isSpent = used + Parts > rate.Capacity;
            if (isSpent) return false;
            var next = earned + used + (amount * Parts);
            if (Interlocked.CompareExchange(ref _full, next, full) != full) continue;
            isSpent = next - earned + Parts > rate.Capacity;
            return true;
        }
    }

    /// <summary>Takes an amount, whatever is left; what is beyond becomes a debt.</summary>
    /// <param name="amount">Units, 0 or more.</param>
    public void Charge(long amount)
    {
        while (true)
        {
            var full = Volatile.Read(ref _full);
            var next = Math.Max(full, _rate.EarnedAt(_time.GetTimestamp())) + (amount * Parts);
            if (Interlocked.CompareExchange(ref _full, next, full) == full) return;
        }
    }

    /// <summary>Gives back what was taken and not used. What has been earned back meanwhile does not count twice.</summary>
    /// <param name="amount">Units, 0 or more.</param>
    public void Return(long amount) => Interlocked.Add(ref _full, -amount * Parts);

    /// <summary>Another number of units a minute. What is used stays used. One caller at a time.</summary>
    /// <param name="perMinute">Units a minute; 1 to 1,000,000,000.</param>
    public void Resize(int perMinute)
    {
        var rate = _rate;
        if (rate.PerMinute == perMinute) return;
        var now = _time.GetTimestamp();

        // The line of what was earned goes on from here at another slope; where the budget is full again stays.
        _rate = new Rate(perMinute, rate.EarnedAt(now), now, rate.MinuteTicks);
    }

    private static long Used(long full, long earned) => Math.Max(0, full - earned);

    private TimeSpan ToTimeSpan(Int128 timestampTicks)
    {
        var frequency = _time.TimestampFrequency;
        var ticks = ((timestampTicks * TimeSpan.TicksPerSecond) + frequency - 1) / frequency;
        return ticks > TimeSpan.MaxValue.Ticks ? TimeSpan.MaxValue : TimeSpan.FromTicks((long)ticks);
    }

    /// <summary>What is earned, as a line over time: so many units a minute, from a point on.</summary>
    private sealed class Rate(int perMinute, long startParts, long startTimestamp, long minuteTicks)
    {
        public int PerMinute => perMinute;

        public long MinuteTicks => minuteTicks;

        public long Capacity { get; } = perMinute * Parts;

        /// <summary>Parts earned until a time.</summary>
        public long EarnedAt(long timestamp)
        {
            var (minutes, rest) = Math.DivRem(Math.Max(0, timestamp - startTimestamp), minuteTicks);
            return startParts + (minutes * Capacity) + (long)((Int128)rest * Capacity / minuteTicks);
        }

        /// <summary>The first time at which so many parts are earned.</summary>
        public Int128 TimestampOf(long parts) =>
            startTimestamp + ((((Int128)(parts - startParts) * minuteTicks) + Capacity - 1) / Capacity);
    }
}
