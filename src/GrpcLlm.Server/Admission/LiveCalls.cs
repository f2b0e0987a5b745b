using GrpcLlm.Server.Requests;
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
    private readonly TaskCompletionSource _none = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _closed;

    /// <summary>Generations that run now.</summary>
    public int Count { get; private set; }

    /// <summary>Enters a generation; disposing the registration takes it out.</summary>
    /// <exception cref="CallFailureException">DRAINING: no more are taken.</exception>
    public Registration Add(Tenant tenant, string requestId, CallLifetime lifetime)
    {
        var key = new Key(tenant.Name, requestId);
        lock (_gate)
        {
            if (_closed) throw new CallFailureException(ErrorReason.Draining, "The server is shutting down.");
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

    /// <summary>Takes no more generations, for good.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            if (Count == 0) _none.TrySetResult();
        }
    }

    /// <summary>Completes when none runs and none can come: after <see cref="Close"/>.</summary>
    public Task WhenNone() => _none.Task;

    /// <summary>Tells all generations to stop.</summary>
    /// <returns>How many were not told before.</returns>
    public int StopAll(StopCause cause)
    {
        CallLifetime[] found;
        lock (_gate) found = [.. _running.Values.SelectMany(static sharing => sharing)];

        // Cancelling runs callbacks: never under the lock.
        return found.Count(lifetime => lifetime.Stop(cause));
    }

    private void Remove(Key key, CallLifetime lifetime)
    {
        lock (_gate)
        {
            var sharing = _running[key];
            sharing.Remove(lifetime);
            if (sharing.Count == 0) _running.Remove(key);
            Count--;
            if (_closed && Count == 0) _none.TrySetResult();

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
