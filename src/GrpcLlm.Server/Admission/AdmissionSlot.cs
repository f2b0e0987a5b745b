namespace GrpcLlm.Server.Admission;

/// <summary>A place among the running generations; dispose it when the generation is over. Thread-safe.</summary>
internal sealed class AdmissionSlot : IDisposable
{
    private readonly AdmissionQueue _queue;
    private bool _left;

    internal AdmissionSlot(AdmissionQueue queue, TenantLine line, Action<uint>? positionChanged)
    {
        _queue = queue;
        Line = line;
        PositionChanged = positionChanged;
    }

    /// <summary>Its tenant's calls.</summary>
    internal TenantLine Line { get; }

    /// <summary>Who wants to hear its position.</summary>
    internal Action<uint>? PositionChanged { get; }

    /// <summary>Its place in the line while it waits, else null. Under the queue's lock.</summary>
    internal LinkedListNode<AdmissionSlot>? Place { get; set; }

    /// <summary>How the wait ends, null: told to stop; only for a call that had to wait.</summary>
    internal TaskCompletionSource<AdmissionSlot?>? Outcome { get; set; }

    /// <summary>Number of its arrival among all that waited. Under the queue's lock.</summary>
    internal long Arrival { get; set; }

    /// <summary>Position that was last told. Under the queue's lock.</summary>
    internal uint ToldPosition { get; set; }

    /// <summary>Whether its position was told since the last round of reports. Under the queue's lock.</summary>
    internal bool WasJustTold { get; set; }

    /// <summary>Frees the place; a second time does nothing.</summary>
    public void Dispose()
    {
        if (!Interlocked.Exchange(ref _left, true)) _queue.Release(this);
    }

    /// <summary>Ends the wait: it was too long.</summary>
    internal void GiveUp() => _queue.GiveUp(this);

    /// <summary>Ends the wait: the call was told to stop.</summary>
    internal void Leave() => _queue.Leave(this);
}
