namespace GrpcLlm.Server.Admission;

/// <summary>
/// Tells waiting calls that ask for it their position, once a second for all of them together: a release moves everybody
/// up, and must not cost a message for each. Members are to be used under the queue's lock.
/// </summary>
internal sealed class QueuePositions : IDisposable
{
    /// <summary>Time between two rounds of reports.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate;
    private readonly LinkedList<TenantLine> _turns;
    private readonly ITimer _timer;
    private int _listeners;

    /// <param name="gate">The queue's lock.</param>
    /// <param name="turns">Tenants that have waiting calls, in the order of their turns.</param>
    /// <param name="timeProvider">The clock.</param>
    public QueuePositions(Lock gate, LinkedList<TenantLine> turns, TimeProvider timeProvider)
    {
        _gate = gate;
        _turns = turns;
        _timer = timeProvider.CreateTimer(
            static state => ((QueuePositions)state!).Report(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>A call that listens begins to wait.</summary>
    public void Begin(AdmissionSlot slot, long position)
    {
        if (_listeners++ == 0) _timer.Change(Interval, Timeout.InfiniteTimeSpan);
        slot.WasJustTold = true;
        Tell(slot, position);
    }

    /// <summary>A call that listens waits no more.</summary>
    public void End() => _listeners--;

    public void Dispose() => _timer.Dispose();

    private void Report()
    {
        lock (_gate)
        {
            if (_listeners == 0) return;
            _timer.Change(Interval, Timeout.InfiniteTimeSpan);
            var heads = new List<LinkedListNode<AdmissionSlot>>();
            foreach (var line in _turns)
            {
                if (line.HasRoom) heads.Add(line.Waiting.First!);
                else ReportLine(line);
            }

            ReportInTurns(heads);
        }
    }

    /// <summary>A tenant at its own limit waits for its own calls alone.</summary>
    private static void ReportLine(TenantLine line)
    {
        var position = 0;
        foreach (var slot in line.Waiting) TellAgain(slot, ++position);
    }

    /// <param name="heads">The oldest call of each tenant, in the order of the turns; empty afterwards.</param>
    private static void ReportInTurns(List<LinkedListNode<AdmissionSlot>> heads)
    {
        var position = 0;
        while (heads.Count > 0)
        {
            var kept = 0;
            for (var turn = 0; turn < heads.Count; turn++)
            {
                var head = heads[turn];
                TellAgain(head.Value, ++position);
                if (head.Next is { } next) heads[kept++] = next;
            }

            heads.RemoveRange(kept, heads.Count - kept);
        }
    }

    private static void TellAgain(AdmissionSlot slot, long position)
    {
        // Told on entering, less than an interval ago: this round is too early.
        if (slot.WasJustTold) slot.WasJustTold = false;
        else Tell(slot, position);
    }

    private static void Tell(AdmissionSlot slot, long position)
    {
        if (slot.PositionChanged is not { } positionChanged || slot.ToldPosition == position) return;
        slot.ToldPosition = (uint)position;
        positionChanged((uint)position);
    }
}
