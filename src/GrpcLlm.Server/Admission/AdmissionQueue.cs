using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Admission;

/// <summary>
/// Lets a bounded number of generations run and a bounded number wait. Within a tenant the first comes first; the
/// tenants that wait take turns; a tenant at its own limit holds up no other.
/// <code>
///   tenant a: 1 2 3 ┐
///   tenant b: 1     ├─ in turns ──► free place, and free place of the tenant ──► runs
///   tenant c: 1 2   ┘
/// </code>
/// One lock, taken a few times per call and never per token. Thread-safe.
/// </summary>
internal sealed class AdmissionQueue : IDisposable
{
    /// <summary>Shortest and longest wait that a refused caller is told.</summary>
    public static readonly TimeSpan MinRetryAfter = TimeSpan.FromMilliseconds(100);

    /// <inheritdoc cref="MinRetryAfter"/>
    public static readonly TimeSpan MaxRetryAfter = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly Dictionary<Tenant, TenantLine> _lines = [];
    private readonly LinkedList<TenantLine> _turns = new();
    private readonly QueuePositions _positions;
    private int _maxConcurrent;
    private int _maxQueue;
    private TimeSpan _timeout;
    private ReleasePace _pace;
    private int _running;
    private int _waiting;
    private long _arrivals;
    private bool _closed;

    /// <param name="options">Its limits.</param>
    /// <param name="timeProvider">Clock of timeouts, estimates and reports.</param>
    public AdmissionQueue(AdmissionOptions options, TimeProvider timeProvider)
    {
        _time = timeProvider;
        _positions = new QueuePositions(_gate, _turns, timeProvider);
        Update(options);
    }

    /// <summary>Generations that run now.</summary>
    public int Running
    {
        get
        {
            lock (_gate) return _running;
        }
    }

    /// <summary>Generations that wait now.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate) return _waiting;
        }
    }

    /// <summary>Generations that run, those that wait, and how many may run and wait, all of one moment.</summary>
    public (int Running, int Waiting, int MaxConcurrent, int MaxQueue) Load
    {
        get
        {
            lock (_gate) return (_running, _waiting, _maxConcurrent, _maxQueue);
        }
    }

    /// <summary>
    /// Takes a place, or waits for one. Whoever gets one owns it, also if it was told to stop at the same moment.
    /// </summary>
    /// <param name="tenant">Who calls.</param>
    /// <param name="timeLeft">Time until the call must have its first token; null for no limit.</param>
    /// <param name="positionChanged">
    /// Told the position while the call waits: the calls that will run before it, plus one. At once, and then as it
    /// changes, at most once a second. Runs under the queue's lock: it must be quick and must not call the queue.
    /// </param>
    /// <param name="stopped">Ends the wait.</param>
    /// <returns>The place; null: it was told to stop.</returns>
    /// <exception cref="CallFailureException">
    /// OVERLOADED: the queue is full, the wait was too long or cannot be short enough; QUOTA_EXCEEDED: the same while the
    /// tenant is at its own limit; DRAINING: the queue is closed.
    /// </exception>
    public ValueTask<AdmissionSlot?> EnterAsync(
        Tenant tenant, TimeSpan? timeLeft, Action<uint>? positionChanged, CancellationToken stopped)
    {
        if (stopped.IsCancellationRequested) return ValueTask.FromResult<AdmissionSlot?>(null);
        AdmissionSlot slot;
        TimeSpan timeout;
        lock (_gate)
        {
            if (_closed) throw Draining();
            var line = LineOf(tenant);
            slot = new AdmissionSlot(this, line, positionChanged);

            // A tenant's own limit may have been raised since: who waits for it comes first.
            AdmitWaiting();
            if (_running < _maxConcurrent && line.HasRoom && line.Waiting.Count == 0)
            {
                CountIn(line);
                return new ValueTask<AdmissionSlot?>(slot);
            }

            ShedIfTooLate(line, timeLeft);
            if (_waiting >= _maxQueue) MakeRoomFor(line);
            Append(slot);
            timeout = _timeout;
        }

        return new ValueTask<AdmissionSlot?>(WaitAsync(slot, timeout, stopped));
    }

    /// <summary>
    /// Replaces the limits. Whoever may now run does so at once; nobody who runs or waits is ended by lower ones. Also to
    /// be called after the limits of tenants changed.
    /// </summary>
    public void Update(AdmissionOptions options)
    {
        lock (_gate)
        {
            _maxConcurrent = options.MaxConcurrent;
            _maxQueue = options.MaxQueue;
            _timeout = options.QueueTimeout;
            foreach (var (tenant, line) in _lines.ToList())
            {
                if (line.Running == 0 && line.Waiting.Count == 0) _lines.Remove(tenant);
                else if (line.HasRoom) line.Pace.Reset();
            }

            if (_running < _maxConcurrent) _pace.Reset();
            AdmitWaiting();
        }
    }

    /// <summary>Refuses all that wait and all that come from now on, with DRAINING. What runs is not touched.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            while (_turns.First is { } turn)
            {
                var slot = turn.Value.Waiting.First!.Value;
                Withdraw(slot);
                slot.Outcome!.TrySetException(Draining());
            }
        }
    }

    public void Dispose() => _positions.Dispose();

    /// <summary>A generation is over.</summary>
    internal void Release(AdmissionSlot slot)
    {
        lock (_gate)
        {
            var now = _time.GetTimestamp();
            var line = slot.Line;
            if (_running >= _maxConcurrent) _pace.NoteRelease(now);
            if (!line.HasRoom) line.Pace.NoteRelease(now);
            _running--;
            line.Running--;
            AdmitWaiting();
            if (_running < _maxConcurrent) _pace.Reset();
            if (line.HasRoom) line.Pace.Reset();
        }
    }

    private async Task<AdmissionSlot?> WaitAsync(AdmissionSlot slot, TimeSpan timeout, CancellationToken stopped)
    {
        await using var timer = _time.CreateTimer(
            static state => ((AdmissionSlot)state!).GiveUp(), slot, timeout, Timeout.InfiniteTimeSpan);
        await using var leave = stopped.UnsafeRegister(static state => ((AdmissionSlot)state!).Leave(), slot);
        return await slot.Outcome!.Task;
    }

    /// <summary>A call has waited as long as it may.</summary>
    internal void GiveUp(AdmissionSlot slot)
    {
        lock (_gate)
        {
            if (slot.Place is null) return;
            Withdraw(slot);
            slot.Outcome!.TrySetException(Refused(slot.Line, slot.Line.Waiting.Count, "No place became free in time."));
        }
    }

    /// <summary>A call was told to stop while it waits.</summary>
    internal void Leave(AdmissionSlot slot)
    {
        lock (_gate)
        {
            if (slot.Place is null) return;
            Withdraw(slot);
            slot.Outcome!.TrySetResult(null);
        }
    }

    private TenantLine LineOf(Tenant tenant)
    {
        if (!_lines.TryGetValue(tenant, out var line)) _lines.Add(tenant, line = new TenantLine(tenant));
        return line;
    }

    private void CountIn(TenantLine line)
    {
        _running++;
        line.Running++;
    }

    /// <summary>Gives free places to those that wait: the tenants in turns, each its oldest call.</summary>
    private void AdmitWaiting()
    {
        var turn = _turns.First;
        while (turn is not null && _running < _maxConcurrent)
        {
            var line = turn.Value;
            if (!line.HasRoom)
            {
                turn = turn.Next;
                continue;
            }

            var slot = line.Waiting.First!.Value;
            Withdraw(slot);
            if (line.Waiting.Count > 0)
            {
                _turns.Remove(turn);
                _turns.AddLast(turn);
            }

            CountIn(line);
            slot.Outcome!.TrySetResult(slot);
            turn = _turns.First;
        }
    }

    private void Append(AdmissionSlot slot)
    {
        var line = slot.Line;
        slot.Outcome = new TaskCompletionSource<AdmissionSlot?>(TaskCreationOptions.RunContinuationsAsynchronously);
        slot.Arrival = ++_arrivals;
        if (line.Waiting.Count == 0) _turns.AddLast(line.Turn);
        slot.Place = line.Waiting.AddLast(slot);
        _waiting++;
        if (slot.PositionChanged is not null) _positions.Begin(slot, 1 + CallsBefore(line, line.Waiting.Count - 1));
    }

    private void Withdraw(AdmissionSlot slot)
    {
        var line = slot.Line;
        line.Waiting.Remove(slot.Place!);
        slot.Place = null;
        if (line.Waiting.Count == 0) _turns.Remove(line.Turn);
        _waiting--;
        if (slot.PositionChanged is not null) _positions.End();
    }

    /// <summary>
    /// Refuses the latest call of the tenant that has the most waiting, be it the newcomer: a flood fills the queue with
    /// its own calls only.
    /// </summary>
    private void MakeRoomFor(TenantLine newcomer)
    {
        AdmissionSlot? latest = null;
        foreach (var line in _turns)
        {
            var last = line.Waiting.Last!.Value;
            var difference = line.Waiting.Count - (latest?.Line.Waiting.Count ?? 0);
            if (difference > 0 || (difference == 0 && last.Arrival > latest!.Arrival)) latest = last;
        }

        if (latest is null || newcomer.Waiting.Count + 1 > latest.Line.Waiting.Count)
            throw Refused(newcomer, newcomer.Waiting.Count, "The queue is full.");
        Withdraw(latest);
        latest.Outcome!.TrySetException(Refused(latest.Line, latest.Line.Waiting.Count, "The queue is full."));
    }

    /// <summary>Who cannot get a place in time had better know it now.</summary>
    private void ShedIfTooLate(TenantLine line, TimeSpan? timeLeft)
    {
        var wait = ExpectedWait(line, CallsBefore(line, line.Waiting.Count));
        if (wait > timeLeft) throw Refused(line, line.Waiting.Count, "The time left is shorter than the queue.");
    }

    /// <summary>Calls that will run before one of this tenant with so many of its own before it.</summary>
    private long CallsBefore(TenantLine line, int ownBefore)
    {
        long before = ownBefore;
        if (!line.HasRoom) return before;

        // Each turn of the own line is one of every other: one more for those whose turn comes first.
        var turnsOfOther = ownBefore + 1;
        foreach (var other in _turns)
        {
            if (other == line) turnsOfOther = ownBefore;
            else if (other.HasRoom) before += Math.Min(other.Waiting.Count, turnsOfOther);
        }

        return before;
    }

    private TimeSpan? ExpectedWait(TenantLine line, long releases) =>
        line.HasRoom ? _pace.TimeFor(releases, _time) : line.Pace.TimeFor(releases, _time);

    private CallFailureException Refused(TenantLine line, int ownBefore, string message)
    {
        var wait = ExpectedWait(line, 1 + CallsBefore(line, ownBefore)) ?? ErrorTable.DefaultRetryAfter;
        var retryAfter = wait < MinRetryAfter ? MinRetryAfter : wait > MaxRetryAfter ? MaxRetryAfter : wait;
        return line.HasRoom
            ? new CallFailureException(ErrorReason.Overloaded, message) { RetryAfter = retryAfter }
            : CallFailureException.QuotaExceeded(line.Tenant.Name, TenantLimits.MaxConcurrentName, retryAfter);
    }

    private static CallFailureException Draining() => new(ErrorReason.Draining, "The server is shutting down.");
}
