using GrpcLlm.V1;

namespace GrpcLlm.Server.Streaming;

/// <summary>
/// How long output may wait for more on a fast connection (<see cref="Coalescing"/>); no time at all where nothing was
/// asked for. Not thread-safe, but for <see cref="None"/>.
/// </summary>
internal sealed class CoalescingDelay(Coalescing? options, TimeProvider timeProvider)
{
    private readonly TimeSpan _longest = options?.MaxDelay?.ToTimeSpan() ?? TimeSpan.Zero;
    private readonly uint _enoughTokens = options?.MaxTokens ?? 0;
    private long? _since;
    private Task? _task;

    /// <summary>No time at all; shared by all calls.</summary>
    public static CoalescingDelay None { get; } = new(null, TimeProvider.System);

    /// <summary>Completes when the output that waits has waited long enough.</summary>
    public Task Task => _task ??= Task.Delay(_longest, timeProvider);

    /// <summary>Whether the output that waits has waited long enough; the first call of a batch starts its time.</summary>
    public bool IsOver(uint waitingTokens)
    {
        if (_longest == TimeSpan.Zero) return true;
        if (_enoughTokens > 0 && waitingTokens >= _enoughTokens) return true;
        _since ??= timeProvider.GetTimestamp();
        return timeProvider.GetElapsedTime(_since.Value) >= _longest || _task is { IsCompleted: true };
    }

    /// <summary>The output was sent; the next starts a time of its own.</summary>
    public void Restart()
    {
        if (_longest == TimeSpan.Zero) return;
        _since = null;
        _task = null;
    }
}
