using GrpcLlm.Server.Backends;

namespace GrpcLlm.Server.Routing;

/// <summary>
/// An answer whose first token is at hand; from here on there is no second attempt. Holds what the attempt holds: its
/// place on the lane, its cancellation, the backend's stream. The relay owns and disposes it.
/// </summary>
/// <param name="atHand">
/// The first delta, or the end of an answer without tokens; before it the signatures that came earlier.
/// </param>
/// <param name="arrival">When the first token arrived, in microseconds since acceptance.</param>
/// <param name="rest">The events behind it.</param>
internal sealed class OpenedAnswer(
    IReadOnlyList<BackendEvent> atHand, long arrival, IAsyncEnumerator<BackendEvent> rest) : IAsyncDisposable
{
    private int _disposed;

    /// <summary>The first delta, or the end; before it the signatures that came earlier. Empty once taken.</summary>
    public IReadOnlyList<BackendEvent> AtHand { get; private set; } = atHand;

    /// <summary>When the first token arrived, in microseconds since acceptance.</summary>
    public long Arrival { get; } = arrival;

    /// <summary>The events behind it.</summary>
    public IAsyncEnumerator<BackendEvent> Rest { get; } = rest;

    /// <summary>The attempt that brought it; null in tests of the relay alone.</summary>
    public RunningAttempt? Attempt { get; init; }

    /// <summary>Takes what is at hand; a stream may be idle for long, and need not keep it.</summary>
    public IReadOnlyList<BackendEvent> TakeAtHand()
    {
        var taken = AtHand;
        AtHand = [];
        return taken;
    }

    /// <summary>Notes that the stream failed after its first token, for the health of its lane.</summary>
    public ValueTask NoteFailureAsync(BackendException exception) =>
        Attempt is { } attempt ? attempt.Lane.NoteStreamFailureAsync(exception) : ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        try
        {
            await Rest.DisposeAsync();
        }
        finally
        {
            Attempt?.Dispose();
        }
    }
}
