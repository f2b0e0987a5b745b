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
    public Lane? Pick() => Pick(except: null, out _);

    /// <summary>The same, and in the same look what stands in the way: a lane's rest may pass at any moment.</summary>
    /// <param name="except">Lanes not to take.</param>
    /// <param name="obstacle">Where every lane rests, the obstacle that passes first; else null.</param>
    public Lane? Pick(IReadOnlySet<Lane>? except, out Obstacle? obstacle)
    {
        Lane? best = null;
        Obstacle? first = null;
        var allRest = true;
        foreach (var lane in _lanes)
        {
            if (lane.Obstacle is { } rest)
            {
                if (first is null || rest.Wait < first.Value.Wait) first = rest;
                continue;
            }

            allRest = false;
            if (except?.Contains(lane) != true && (best is null || lane.Load < best.Load)) best = lane;
        }

        obstacle = allRest ? first : null;
        return best;
    }

    /// <summary>What stands in the way where no lane may be tried now: the obstacle that passes first.</summary>
    public Obstacle? FirstToPass()
    {
        Pick(except: null, out var obstacle);
        return obstacle;
    }

    /// <summary>Asks the provider about a model, unless it is given a rest; less is known where that fails.</summary>
    public ValueTask LearnAsync(string model, CancellationToken cancellationToken) =>
        Pick() is { } lane ? Backend.LearnAsync(model, lane.Key, cancellationToken) : ValueTask.CompletedTask;

    /// <summary>Counts input tokens.</summary>
    /// <exception cref="BackendException">The backend failed.</exception>
    public async ValueTask<InputTokenCount> CountInputTokensAsync(BackendCall call, CancellationToken cancellationToken)
    {
        var lane = Pick(except: null, out var obstacle) ?? throw obstacle!.Value.ToException();
        try
        {
            return await Backend.CountInputTokensAsync(call with { Key = lane.Key }, cancellationToken);
        }
        catch (BackendException exception)
        {
            lane.Note(exception);
            throw;
        }
    }

    public ValueTask DisposeAsync() =>
        Backend is IAsyncDisposable disposable ? disposable.DisposeAsync() : ValueTask.CompletedTask;
}
