using GrpcLlm.V1;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// The last ten minutes for the status page, in steps of five seconds: tokens, ends by reason, latencies, attempts. At most
/// about 5 kB a step beside a line for each model and key, so under a megabyte, whatever comes. Told at the first token of a call,
/// at its end, and of tokens in lots; nothing is done per token. Thread-safe, without locks.
/// </summary>
/// <param name="timeProvider">Its clock.</param>
internal sealed class StatusHistory(TimeProvider timeProvider)
{
    /// <summary>Steps that are kept; the last one is still going on.</summary>
    public const int Steps = 120;

    /// <summary>Length of a step.</summary>
    public static readonly TimeSpan Step = TimeSpan.FromSeconds(5);

    private readonly SlotRing<HistorySlot> _slots = new(Steps, Step, timeProvider, static () => new HistorySlot());
    private readonly long[] _lastSeen = new long[(int)Enum.GetValues<ErrorReason>().Max() + 1];

    /// <summary>Time since it began, with the process.</summary>
    public TimeSpan Uptime => _slots.Elapsed;

    /// <summary>Tokens were sent.</summary>
    public void TokensSent(uint tokens) => _slots.Current.AddTokens(tokens);

    /// <summary>A call's first token was sent, so long after the call was accepted.</summary>
    public void FirstTokenSent(long microseconds) => _slots.Current.TimeToFirstToken.Add(microseconds);

    /// <summary>A call ended.</summary>
    public void CallEnded(GenerationRecord record)
    {
        var slot = _slots.Current;
        slot.AddEnd(record);
        if (record.ErrorReason != ErrorReason.Unspecified)
            Volatile.Write(ref _lastSeen[(int)record.ErrorReason], timeProvider.GetUtcNow().UtcTicks);
        else if (record.FinalTiming.HasTpotUs)
            slot.TimePerOutputToken.Add(record.FinalTiming.TpotUs);
    }

    /// <summary>When a call last failed so; null: none has.</summary>
    public DateTimeOffset? LastSeen(ErrorReason reason) =>
        Volatile.Read(ref _lastSeen[(int)reason]) is > 0 and var ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    /// <summary>
    /// The steps of the last ten minutes, oldest first, as far as the process has lived; null for one in which nothing
    /// happened.
    /// </summary>
    public IReadOnlyList<HistorySlot?> Read()
    {
        var last = _slots.Number;
        var first = Math.Max(0, last - Steps + 1);
        var steps = new HistorySlot?[last - first + 1];
        for (var index = 0; index < steps.Length; index++) steps[index] = _slots.At(first + index);
        return steps;
    }
}
