using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using Polly;

namespace GrpcLlm.Server.Routing;

/// <summary>
/// A backend with the lanes into it, one for each of its keys. Keeps load and health over the calls, and over reloads
/// that do not change the backend. Thread-safe.
/// </summary>
internal sealed class LanePool : IAsyncDisposable
{
    private readonly Lane[] _lanes;

    /// <param name="backend">The backend; disposed with the pool.</param>
    /// <param name="options">Settings in force for it.</param>
    /// <param name="timeProvider">Clock of all waits.</param>
    /// <param name="logger">Told of keys that are refused and breakers that open.</param>
    public LanePool(IBackend backend, ResilienceOptions options, TimeProvider timeProvider, ILogger<LanePool> logger)
    {
        Backend = backend;
        Options = options;
        Pipeline = OpeningPipeline.Build(options, timeProvider);
        _lanes = backend.Keys.Count == 0
            ? [new Lane(backend, key: null, options, timeProvider, logger)]
            : [.. backend.Keys.Select(key => new Lane(backend, key, options, timeProvider, logger))];
    }

    /// <summary>The backend.</summary>
    public IBackend Backend { get; }

    /// <summary>Settings in force for it.</summary>
    public ResilienceOptions Options { get; }

    /// <summary>Opens answers whose first route leads here.</summary>
    public ResiliencePipeline<OpenedAnswer> Pipeline { get; }

    /// <summary>The lanes, in the order of the keys.</summary>
    public IReadOnlyList<Lane> Lanes => _lanes;

    /// <summary>Whether an attempt could be made now.</summary>
    public bool IsUsable => Pick() is not null;

    /// <summary>The lane with the least load among those that may be tried now; null if there is none.</summary>
    /// <param name="except">Lanes not to take.</param>
    public Lane? Pick(IReadOnlySet<Lane>? except = null)
    {
        Lane? best = null;
        foreach (var lane in _lanes)
        {
            if (except?.Contains(lane) == true || (best is not null && best.Load <= lane.Load)) continue;
            if (lane.Obstacle is null) best = lane;
        }

        return best;
    }

    /// <summary>What stands in the way where no lane may be tried now: the obstacle that passes first.</summary>
    public Obstacle? FirstToPass()
    {
        Obstacle? first = null;
        foreach (var lane in _lanes)
        {
            if (lane.Obstacle is not { } obstacle) return null;
            if (first is null || obstacle.Wait < first.Value.Wait) first = obstacle;
        }

        return first;
    }

    /// <summary>Asks the provider about a model, unless it is given a rest; less is known where that fails.</summary>
    public ValueTask LearnAsync(string model, CancellationToken cancellationToken) =>
        Pick() is { } lane ? Backend.LearnAsync(model, lane.Key, cancellationToken) : ValueTask.CompletedTask;

    /// <summary>Counts input tokens.</summary>
    /// <exception cref="BackendException">The backend failed.</exception>
    public async ValueTask<InputTokenCount> CountInputTokensAsync(BackendCall call, CancellationToken cancellationToken)
    {
        var lane = Pick();
        if (lane is null && FirstToPass() is { } obstacle) throw obstacle.ToException();
        try
        {
            return await Backend.CountInputTokensAsync(call with { Key = lane?.Key }, cancellationToken);
        }
        catch (BackendException exception)
        {
            lane?.Note(exception);
            throw;
        }
    }

    public ValueTask DisposeAsync() =>
        Backend is IAsyncDisposable disposable ? disposable.DisposeAsync() : ValueTask.CompletedTask;
}
