namespace GrpcLlm.Server.Backends;

/// <summary>
/// Admits streams to a backend: a number of slots and an amount of memory, and a bounded first-in-first-out queue
/// before them. A stream that needs much memory is not overtaken by those that need little. Thread-safe.
/// </summary>
/// <remarks>
/// Who gets a slot hears of it at once. Who moves up hears of it in a round for all that wait, at most one an
/// <see cref="Interval"/>: each leave moves everybody behind it, and a queue that empties would tell the square of its length.
/// </remarks>
internal sealed class SlotQueue
{
    /// <summary>Shortest time between two rounds in which positions are told.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly LinkedList<Place> _waiting = new();
    private readonly int _slots;
    private readonly int _maxQueue;
    private readonly TimeProvider _time;
    private readonly ITimer _round;
    private int _freeSlots;
    private long _freePages;
    private long? _lastRound;
    private bool _isRoundDue;
    private bool _closed;

    /// <param name="slots">Streams at once; above 0.</param>
    /// <param name="memoryPages">Pages of memory for all of them; 0 where memory is not what bounds them.</param>
    /// <param name="maxQueue">Most streams that wait; 0 for none.</param>
    /// <param name="timeProvider">Clock of the rounds.</param>
    public SlotQueue(int slots, long memoryPages, int maxQueue, TimeProvider timeProvider)
    {
        _slots = _freeSlots = slots;
        _freePages = memoryPages;
        _maxQueue = maxQueue;
        _time = timeProvider;
        _round = timeProvider.CreateTimer(
            static state => ((SlotQueue)state!).TellPositions(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Slots that are free now.</summary>
    public int FreeSlots
    {
        get
        {
            lock (_gate) return _freeSlots;
        }
    }

    /// <summary>Streams that wait now.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate) return _waiting.Count;
        }
    }

    /// <summary>Takes a slot, or a place in the queue. Dispose it in any case, once.</summary>
    /// <param name="pages">Memory that the stream may come to use; at most that of the whole queue.</param>
    /// <exception cref="BackendException">The queue is full, or closed.</exception>
    public Place Enter(int pages)
    {
        lock (_gate)
        {
            if (_closed) throw Closed();
            var place = new Place(this, pages);
            if (_waiting.Count == 0 && TryAdmit(place)) return place;
            if (_waiting.Count >= _maxQueue)
            {
                throw new BackendException(
                    BackendFailure.Overloaded, $"all {_slots} slots and {_maxQueue} places in the queue are taken");
            }

            place.Turn = _waiting.AddLast(place);
            place.Move(_waiting.Count);
            return place;
        }
    }

    /// <summary>Admits nobody any more; who waits gets an error.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            foreach (Place place in _waiting) place.Refuse(Closed());
            _waiting.Clear();
            _round.Dispose();
        }
    }

    private static BackendException Closed() => new(BackendFailure.Unavailable, "the backend was stopped");

    private bool TryAdmit(Place place)
    {
        if (_freeSlots == 0 || _freePages < place.Pages) return false;
        _freeSlots--;
        _freePages -= place.Pages;
        place.Move(0);
        return true;
    }

    private void Leave(Place place)
    {
        lock (_gate)
        {
            if (place.Position == 0)
            {
                _freeSlots++;
                _freePages += place.Pages;
            }
            else if (place.Turn is { List: not null } turn)
            {
                _waiting.Remove(turn);
            }

            while (_waiting.First is { } first && TryAdmit(first.Value)) _waiting.RemoveFirst();
            PlanRound();
        }
    }

    /// <summary>Under the lock: positions may be others than were told.</summary>
    private void PlanRound()
    {
        if (_isRoundDue || _waiting.Count == 0) return;
        _isRoundDue = true;
        TimeSpan left = _lastRound is { } last ? Interval - _time.GetElapsedTime(last) : TimeSpan.Zero;
        _round.Change(left > TimeSpan.Zero ? left : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    private void TellPositions()
    {
        lock (_gate)
        {
            _isRoundDue = false;
            _lastRound = _time.GetTimestamp();
            int position = 0;
            foreach (Place waiting in _waiting) waiting.Move(++position);
        }
    }

    /// <summary>A slot, or a place in the queue for one.</summary>
    internal sealed class Place(SlotQueue queue, int pages) : IDisposable
    {
        private TaskCompletionSource _moved = NewSignal();
        private int _position = -1;
        private bool _left;

        /// <summary>Memory that it stands for.</summary>
        public int Pages { get; } = pages;

        /// <summary>0 with a slot; else its place in the queue as it was last told, 1 for the next.</summary>
        public int Position => Volatile.Read(ref _position);

        /// <summary>Its place among those that wait. Under the queue's lock.</summary>
        internal LinkedListNode<Place>? Turn { get; set; }

        /// <summary>Waits until the position is another than it was. Who looks late sees the newest only.</summary>
        /// <param name="seen">Position that the caller knows; above 0.</param>
        /// <param name="cancellationToken">Ends the wait, not the place: dispose it.</param>
        /// <returns>The new position, 0 with a slot; null: the token was cancelled.</returns>
        /// <exception cref="BackendException">The queue was closed.</exception>
        public async ValueTask<int?> MovedFromAsync(int seen, CancellationToken cancellationToken)
        {
            while (true)
            {
                // The signal before the position: a move in between is not missed.
                Task moved = Volatile.Read(ref _moved).Task;
                int position = Position;
                if (position != seen) return position;

                // Only the wait can be cancelled, the signal never is. Told rather than thrown, as whole queues leave at once.
                Task waiting = moved.WaitAsync(cancellationToken);
                await waiting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (waiting.IsCanceled) return null;
                await waiting;
            }
        }

        /// <summary>Gives up the slot or the place.</summary>
        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, true)) return;
            queue.Leave(this);
        }

        /// <summary>Under the queue's lock: sets the position and wakes who waits for that.</summary>
        internal void Move(int position)
        {
            if (position == _position) return;
            Volatile.Write(ref _position, position);
            TaskCompletionSource moved = Interlocked.Exchange(ref _moved, NewSignal());
            moved.SetResult();
        }

        /// <summary>Under the queue's lock: lets who waits fail.</summary>
        internal void Refuse(Exception error)
        {
            TaskCompletionSource moved = Volatile.Read(ref _moved);
            moved.SetException(error);
            _ = moved.Task.Exception; // seen, even if nobody waits
        }

        private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
