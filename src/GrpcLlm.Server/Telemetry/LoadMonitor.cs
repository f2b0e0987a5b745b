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
    private readonly StatusHistory _history;
    private readonly SlotRing<Second> _seconds;

    /// <param name="queue">Knows who runs and who waits.</param>
    /// <param name="history">Told of the tokens too.</param>
    /// <param name="timeProvider">Clock of the window.</param>
    public LoadMonitor(AdmissionQueue queue, StatusHistory history, TimeProvider timeProvider)
    {
        _queue = queue;
        _history = history;
        _seconds = new SlotRing<Second>(WindowSeconds, TimeSpan.FromSeconds(1), timeProvider, static () => new Second());
    }

    /// <summary>A generation came.</summary>
    public void Began() => Interlocked.Increment(ref _seconds.Current.Calls);

    /// <summary>A generation failed, and not by its client's fault.</summary>
    public void Failed() => Interlocked.Increment(ref _seconds.Current.Failures);

    /// <summary>Tokens were sent.</summary>
    public void Sent(uint tokens)
    {
        Interlocked.Add(ref _seconds.Current.Tokens, tokens);
        _history.TokensSent(tokens);
    }

    /// <summary>The load now.</summary>
    public OrcaLoadReport Report()
    {
        var elapsed = _seconds.Elapsed.TotalSeconds;
        long calls = 0, failures = 0, tokens = 0;
        for (var number = (long)elapsed; number > (long)elapsed - WindowSeconds; number--)
        {
            if (_seconds.At(number) is not { } second) continue;
            calls += Volatile.Read(ref second.Calls);
            failures += Volatile.Read(ref second.Failures);
            tokens += Volatile.Read(ref second.Tokens);
        }

        // The window ends within a second; a process that has just begun has had less than one.
        var window = Math.Max(1, Math.Min(elapsed, WindowSeconds - 1 + (elapsed % 1)));
        var (running, waiting, limit, _) = _queue.Load;
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

    private sealed class Second
    {
        public long Calls;
        public long Failures;
        public long Tokens;
    }
}
