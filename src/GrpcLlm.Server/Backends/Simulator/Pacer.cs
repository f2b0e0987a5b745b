using System.Runtime.InteropServices;

namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>
/// Wakes streams when their tokens are due, more precisely than a timer can, which counts whole milliseconds: one thread for
/// the whole process sleeps until the earliest is due, and with nothing to wait for it sleeps for good. A clock other than
/// the system's, as tests have it, is asked for a timer instead. Thread-safe.
/// </summary>
/// <remarks>
/// What streams do with a token takes microseconds; to wake a thread of the pool for it takes many times as long. So the
/// pacer runs the first few that are due itself. When more are due at once the pool gets them, and has enough to do then to
/// be awake. They must not block, as nothing here does.
/// </remarks>
internal sealed class Pacer
{
    /// <summary>Streams that one thread runs one after the other.</summary>
    private const int ChainLength = 32;

    /// <summary>The least that a wait with a timeout can measure.</summary>
    private static readonly TimeSpan CoarseWait = TimeSpan.FromMilliseconds(1);

    /// <summary>A stream is woken before its time by no more than this, and by as little behind it while there are processors.</summary>
    public static readonly TimeSpan MostEarly = TimeSpan.FromMicroseconds(400);

    /// <summary>
    /// Streams that are due within so short a time are woken together, half of them before their time and half behind it:
    /// each round costs a wake-up of this thread, of those that frame and send, and a packet; to go round for each of
    /// hundreds alone would cost more than their tokens do.
    /// </summary>
    private static readonly TimeSpan ShortestRound = TimeSpan.FromMicroseconds(200);

    /// <summary>The same where many wait: so much for each of them, but never more than <see cref="LongestRound"/>.</summary>
    private static readonly TimeSpan RoundPerStream = TimeSpan.FromMicroseconds(2);

    private static readonly TimeSpan LongestRound = 2 * MostEarly;

    private static readonly Lazy<Pacer> OfSystem = new(static () => new Pacer(TimeProvider.System));

    private readonly object _gate = new();
    private readonly PriorityQueue<PacedWait, TimeSpan> _waiting = new();
    private readonly TimeProvider _timeProvider;
    private readonly long _origin;
    private readonly ITimer? _timer;

    private Pacer(TimeProvider timeProvider)
    {
        _timeProvider = timeProvider;
        _origin = timeProvider.GetTimestamp();
        if (ReferenceEquals(timeProvider, TimeProvider.System))
            new Thread(Run) { IsBackground = true, Name = "simulator pacing" }.Start();
        else
            _timer = timeProvider.CreateTimer(static pacer => ((Pacer)pacer!).ReleaseDue(early: TimeSpan.Zero), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Time since the pacer was made; what all waits are told in.</summary>
    public TimeSpan Now => _timeProvider.GetElapsedTime(_origin);

    /// <summary>The pacer of a clock.</summary>
    public static Pacer Of(TimeProvider timeProvider) =>
        ReferenceEquals(timeProvider, TimeProvider.System) ? OfSystem.Value : new Pacer(timeProvider);

    /// <summary>Lets a stream wait. One that waits already must not.</summary>
    /// <param name="wait">The stream.</param>
    /// <param name="due">When to wake it.</param>
    public void Add(PacedWait wait, TimeSpan due)
    {
        lock (_gate)
        {
            _waiting.Enqueue(wait, due);
            if (!ReferenceEquals(_waiting.Peek(), wait)) return;
            if (_timer is null) Monitor.Pulse(_gate);
            else SetTimer();
        }
    }

    /// <summary>Takes a stream out before its time.</summary>
    /// <returns>Whether it waited; the caller then wakes it.</returns>
    public bool Remove(PacedWait wait)
    {
        lock (_gate)
        {
            var waited = _waiting.Remove(wait, out _, out _);
            if (waited && _timer is not null) SetTimer();
            return waited;
        }
    }

    private TimeSpan TimeLeft => _waiting.TryPeek(out _, out var due) ? due - Now : TimeSpan.MaxValue;

    private void Run()
    {
        while (true)
        {
            TimeSpan left;
            TimeSpan round;
            lock (_gate)
            {
                // Whole milliseconds first, since a stream that is due earlier can cut this wait short.
                while ((left = TimeLeft) >= CoarseWait) Monitor.Wait(_gate, Milliseconds(left));
                round = RoundPerStream * _waiting.Count;
            }

            if (round < ShortestRound) round = ShortestRound;
            else if (round > LongestRound) round = LongestRound;
            if (left > TimeSpan.Zero) SleepBriefly(left > round ? left : round);
            ReleaseDue(round / 2);
        }
    }

    /// <summary>Wakes the streams that are due, or will be so soon.</summary>
    private void ReleaseDue(TimeSpan early)
    {
        // A timer's thread is not ours to keep.
        var own = _timer is null ? TakeChain(early) : null;
        while (TakeChain(early) is { } more) ThreadPool.UnsafeQueueUserWorkItem(more, preferLocal: false);
        own?.Execute();
    }

    /// <summary>Takes out the next few that are due, linked in order; null if none is.</summary>
    private PacedWait? TakeChain(TimeSpan early)
    {
        lock (_gate)
        {
            PacedWait? first = null;
            PacedWait? last = null;
            var until = Now + early;
            for (var count = 0; count < ChainLength && _waiting.TryPeek(out _, out var due) && due <= until; count++)
            {
                var wait = _waiting.Dequeue();
                if (last is null) first = wait;
                else last.Next = wait;
                last = wait;
            }

            if (first is null && _timer is not null) SetTimer();
            return first;
        }
    }

    private void SetTimer() => _timer!.Change(_waiting.Count == 0 ? Timeout.InfiniteTimeSpan : TimeLeft, Timeout.InfiniteTimeSpan);

    private static int Milliseconds(TimeSpan time) => time == TimeSpan.MaxValue ? Timeout.Infinite : (int)time.TotalMilliseconds;

    /// <summary>Sleeps for less than a millisecond, or on Windows, which has no such sleep, for a tick of its clock.</summary>
    private static void SleepBriefly(TimeSpan time)
    {
        if (!OperatingSystem.IsWindows())
        {
            // An interrupted sleep is a short one, after which the loop looks again.
            _ = USleep((uint)time.TotalMicroseconds);
            return;
        }

        using var never = new ManualResetEventSlim();
        never.Wait(CoarseWait);
    }

    [DllImport("libc", EntryPoint = "usleep")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int USleep(uint microseconds);
}
