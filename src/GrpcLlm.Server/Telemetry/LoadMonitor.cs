using GrpcLlm.Server.Admission;
using Xds.Data.Orca.V3;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// How busy this process is, as an ORCA report (gRFC A51) tells it to load balancers. Rates are over the last ten seconds.
/// Streams count their tokens themselves and tell them in lots, so a token costs nothing here. Thread-safe, without locks
/// of its own.
/// </summary>
internal sealed class LoadMonitor
{
    /// <summary>Named metric: generations that run.</summary>
    public const string ActiveStreams = "active_streams";

    /// <summary>Named metric: generations that wait for a place.</summary>
    public const string QueuedStreams = "queued_streams";

    /// <summary>Named metric: output tokens sent, per second.</summary>
    public const string TokensPerSecond = "tokens_per_second";

    /// <summary>Tokens that a stream counts before it tells them.</summary>
    public const uint Lot = 64;

    private const int WindowSeconds = 10;

    private readonly AdmissionQueue _queue;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly Second?[] _seconds = new Second?[WindowSeconds];

    /// <param name="queue">Knows who runs and who waits.</param>
    /// <param name="timeProvider">Clock of the window.</param>
    public LoadMonitor(AdmissionQueue queue, TimeProvider timeProvider)
    {
        _queue = queue;
        _time = timeProvider;
        _start = timeProvider.GetTimestamp();
    }

    /// <summary>A generation came.</summary>
    public void Began() => Interlocked.Increment(ref Now().Calls);

    /// <summary>A generation failed, and not by its client's fault.</summary>
    public void Failed() => Interlocked.Increment(ref Now().Failures);

    /// <summary>Tokens were sent.</summary>
    public void Sent(uint tokens) => Interlocked.Add(ref Now().Tokens, tokens);

    /// <summary>The load now.</summary>
    public OrcaLoadReport Report()
    {
        var elapsed = _time.GetElapsedTime(_start).TotalSeconds;
        long calls = 0, failures = 0, tokens = 0;
        foreach (var second in _seconds)
        {
            if (second is null || second.Number <= (long)elapsed - WindowSeconds) continue;
            calls += Volatile.Read(ref second.Calls);
            failures += Volatile.Read(ref second.Failures);
            tokens += Volatile.Read(ref second.Tokens);
        }

        // The window ends within a second; a process that has just begun has had less than one.
        var window = Math.Max(1, Math.Min(elapsed, WindowSeconds - 1 + (elapsed % 1)));
        var (running, waiting, limit) = _queue.Load;
        return new OrcaLoadReport
        {
            ApplicationUtilization = (double)running / limit,
            RpsFractional = calls / window,
            Eps = failures / window,
            NamedMetrics =
            {
                [ActiveStreams] = running,
                [QueuedStreams] = waiting,
                [TokensPerSecond] = tokens / window,
            },
        };
    }

    /// <summary>The counts of this second. One that is replaced meanwhile was of ten seconds ago, and nobody's loss.</summary>
    private Second Now()
    {
        var number = (long)_time.GetElapsedTime(_start).TotalSeconds;
        ref var place = ref _seconds[number % WindowSeconds];
        while (true)
        {
            var current = Volatile.Read(ref place);
            if (current is not null && current.Number >= number) return current;
            var fresh = new Second(number);
            if (ReferenceEquals(Interlocked.CompareExchange(ref place, fresh, current), current)) return fresh;
        }
    }

    private sealed class Second(long number)
    {
        public long Calls;
        public long Failures;
        public long Tokens;

        public long Number { get; } = number;
    }
}
