using GrpcLlm.Server.Routing;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// A backend as consecutive deployments share it: one that a reload does not change keeps its sockets, its model and what
/// it has learned. Counted by the deployments that hold it, disposed with the last. Thread-safe.
/// </summary>
/// <param name="pool">The backend and the lanes into it.</param>
/// <param name="settings">All settings that shape it, as one text.</param>
/// <param name="logger">Where it is named if it cannot be disposed.</param>
internal sealed partial class SharedBackend(LanePool pool, string settings, ILogger<SharedBackend> logger) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private Task? _disposal;
    private int _holders;

    /// <summary>The backend and the lanes into it.</summary>
    public LanePool Pool => pool;

    /// <summary>Whether these settings would make the same backend.</summary>
    public bool IsMadeOf(string otherSettings) => string.Equals(settings, otherSettings, StringComparison.Ordinal);

    /// <summary>One more deployment holds it; the first, or one that another one gives it to.</summary>
    public void Hold() => Interlocked.Increment(ref _holders);

    /// <summary>A deployment lets go of it; the last one disposes it. Never fails.</summary>
    public ValueTask ReleaseAsync() => Interlocked.Decrement(ref _holders) == 0 ? DisposeAsync() : ValueTask.CompletedTask;

    /// <summary>Disposes it, whoever holds it; again: waits for the same end. Never fails.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_gate) return new ValueTask(_disposal ??= CloseAsync());
    }

    private async Task CloseAsync()
    {
        try
        {
            await pool.DisposeAsync();
        }
        catch (Exception exception)
        {
            // It has served its last call, and the others go on.
            NotDisposed(logger, exception, pool.Backend.Name);
        }
    }

    [LoggerMessage(EventId = 10, EventName = "BackendNotDisposed", Level = LogLevel.Error,
        Message = "Backend {Backend} is no longer used and could not be closed.")]
    private static partial void NotDisposed(ILogger logger, Exception exception, string backend);
}
