using GrpcLlm.V1;

namespace GrpcLlm.Server.Admission;

/// <summary>
/// The generations that run in this process, by tenant and name, so that CancelGeneration finds them; and the names of
/// those that ended lately. A name is no lock: several live calls may share one. Thread-safe.
/// </summary>
internal sealed class LiveCalls
{
    /// <summary>Names of ended generations that are remembered, oldest forgotten first.</summary>
    public const int Remembered = 16_384;

    private readonly Lock _gate = new();
    private readonly Dictionary<Key, List<CallLifetime>> _running = [];
    private readonly Dictionary<Key, int> _ended = [];
    private readonly Queue<Key> _endedOrder = new();

    /// <summary>Generations that run now.</summary>
    public int Count { get; private set; }

    /// <summary>Enters a generation; disposing the registration takes it out.</summary>
    public Registration Add(Tenant tenant, string requestId, CallLifetime lifetime)
    {
        var key = new Key(tenant.Name, requestId);
        lock (_gate)
        {
            if (!_running.TryGetValue(key, out var sharing)) _running.Add(key, sharing = new List<CallLifetime>(1));
            sharing.Add(lifetime);
            Count++;
        }

        return new Registration(this, key, lifetime);
    }

    /// <summary>Tells the generations of a name to stop.</summary>
    public CancelGenerationResponse Cancel(Tenant tenant, string requestId)
    {
        var key = new Key(tenant.Name, requestId);
        CallLifetime[] found;
        bool ended;
        lock (_gate)
        {
            found = _running.TryGetValue(key, out var sharing) ? [.. sharing] : [];
            ended = _ended.ContainsKey(key);
        }

        // Cancelling runs callbacks: never under the lock.
        var stopped = (uint)found.Count(
            static lifetime => lifetime.Stop(StopCause.Cancelled) || lifetime.Cause == StopCause.Cancelled);
        return new CancelGenerationResponse
        {
            CancelledCount = stopped,
            State = stopped > 0 ? CancelState.Cancelled
                : ended || found.Length > 0 ? CancelState.AlreadyFinished
                : CancelState.NotFound,
        };
    }

    private void Remove(Key key, CallLifetime lifetime)
    {
        lock (_gate)
        {
            var sharing = _running[key];
            sharing.Remove(lifetime);
            if (sharing.Count == 0) _running.Remove(key);
            Count--;

            _ended[key] = _ended.GetValueOrDefault(key) + 1;
            _endedOrder.Enqueue(key);
            if (_endedOrder.Count <= Remembered) return;
            var oldest = _endedOrder.Dequeue();
            if (--_ended[oldest] == 0) _ended.Remove(oldest);
        }
    }

    internal readonly record struct Key(string Tenant, string RequestId);

    /// <summary>Place of one generation; dispose once.</summary>
    internal readonly struct Registration(LiveCalls calls, Key key, CallLifetime lifetime) : IDisposable
    {
        public void Dispose() => calls.Remove(key, lifetime);
    }
}
