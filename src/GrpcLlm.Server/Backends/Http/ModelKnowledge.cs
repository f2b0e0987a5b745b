using System.Collections.Concurrent;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// What a provider told of its models, kept for a while so that listing models is no load on it; so is that it told
/// nothing. Thread-safe.
/// </summary>
internal sealed class ModelKnowledge(TimeProvider timeProvider)
{
    /// <summary>Time for which an answer is kept.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    /// <summary>Longest time that listing models waits for one provider.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<string, (BackendModel? Model, DateTimeOffset At)> _known = new(StringComparer.Ordinal);

    /// <summary>What is known; null if nothing is.</summary>
    public BackendModel? Find(string model) => _known.GetValueOrDefault(model).Model;

    /// <summary>Asks, unless there is an answer that is fresh enough.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async ValueTask LearnAsync(
        string model, Func<CancellationToken, ValueTask<BackendModel?>> ask, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(model, out var known) && timeProvider.GetUtcNow() - known.At < Lifetime) return;
        using var patience = new CancellationTokenSource(Patience, timeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        var answer = known.Model;
        try
        {
            answer = await ask(either.Token) ?? answer;
        }
        catch (BackendException)
        {
            // A provider that does not answer tells nothing; the next generation says why.
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Too slow to wait for.
        }

        _known[model] = (answer, timeProvider.GetUtcNow());
    }
}
