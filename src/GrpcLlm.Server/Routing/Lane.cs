using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;

namespace GrpcLlm.Server.Routing;

/// <summary>
/// One way into a backend: one of its keys, or none where it has none, with its load and its health. Thread-safe.
/// </summary>
internal sealed partial class Lane
{
    /// <summary>
    /// Time for which a refused key is out. It comes back earlier when its file changed, and with a configuration reload
    /// that changes its backend.
    /// </summary>
    public static readonly TimeSpan KeyRest = TimeSpan.FromMinutes(5);

    private readonly TimeProvider _timeProvider;
    private readonly ILogger _logger;
    private volatile Pause? _pause;
    private int _load;

    public Lane(IBackend backend, ApiKey? key, ResilienceOptions options, TimeProvider timeProvider, ILogger logger)
    {
        Backend = backend;
        Key = key;
        _timeProvider = timeProvider;
        _logger = logger;
        Breaker = new Breaker(backend.Name, KeyLabel, options, timeProvider, logger);
    }

    /// <summary>Where it leads.</summary>
    public IBackend Backend { get; }

    /// <summary>Its key; null where the backend has none.</summary>
    public ApiKey? Key { get; }

    /// <summary>What may be told of the key; empty where there is none.</summary>
    public string KeyLabel => Key?.Label ?? "";

    /// <summary>Attempts and streams on it now.</summary>
    public int Load => Volatile.Read(ref _load);

    /// <summary>Its circuit breaker.</summary>
    public Breaker Breaker { get; }

    /// <summary>Why it is not tried now; null: it may be.</summary>
    public Obstacle? Obstacle =>
        CurrentRest ?? (Breaker.Wait is { } wait ? new Obstacle(BackendFailure.Unavailable, wait) : null);

    /// <summary>The rest that its key is given, whatever the breaker says; null: none.</summary>
    public Obstacle? CurrentRest
    {
        get
        {
            if (_pause is not { } pause) return null;
            var left = pause.Until - _timeProvider.GetUtcNow();
            if (left > TimeSpan.Zero && !(pause.KeyRefused && KeyChangedSince(pause)))
                return new Obstacle(pause.Failure, left, pause.KeyRefused);
            Interlocked.CompareExchange(ref _pause, null, pause);
            return null;
        }
    }

    /// <summary>An attempt begins.</summary>
    public void Enter() => Interlocked.Increment(ref _load);

    /// <summary>The attempt, or its stream, is over.</summary>
    public void Leave() => Interlocked.Decrement(ref _load);

    /// <summary>Notes a failure before the first token: a rate limit cools the lane down, a refused key takes it out.</summary>
    public void Note(BackendException exception)
    {
        if (exception.KeyRefused) TakeOut();
        else if (AttemptRules.FailureOf(exception) is var failure && failure == BackendFailure.RateLimited)
            Rest(failure, exception.RetryAfter ?? ErrorTable.DefaultRetryAfter);
        else if (exception.RetryAfter is { } wait && failure != BackendFailure.Overloaded)
            Rest(BackendFailure.Unavailable, wait);
    }

    /// <summary>Counts a stream that failed after its first token.</summary>
    public ValueTask NoteStreamFailureAsync(BackendException exception) =>
        AttemptRules.CountsForBreakerMidStream(exception) ? Breaker.NoteStreamFailureAsync(exception) : ValueTask.CompletedTask;

    private void TakeOut()
    {
        var wasOut = _pause is { KeyRefused: true };
        _pause = new Pause(BackendFailure.Misconfigured, _timeProvider.GetUtcNow() + KeyRest, KeyRefused: true, TryReadKey());
        if (!wasOut) KeyTakenOut(_logger, Backend.Name, KeyLabel, KeyRest);
    }

    private void Rest(BackendFailure failure, TimeSpan time)
    {
        var pause = new Pause(failure, _timeProvider.GetUtcNow() + time, KeyRefused: false, null);

        // The longest of what many attempts were told at once.
        while (_pause is var current && (current is null || (!current.KeyRefused && current.Until < pause.Until)))
        {
            if (Interlocked.CompareExchange(ref _pause, pause, current) == current) return;
        }
    }

    private bool KeyChangedSince(Pause pause) => TryReadKey() is { } key && !string.Equals(key, pause.Key, StringComparison.Ordinal);

    private string? TryReadKey()
    {
        try
        {
            return Key?.Read();
        }
        catch (BackendException)
        {
            // It is not there (any more): what the attempt was refused for.
            return null;
        }
    }

    [LoggerMessage(EventId = 12, EventName = "KeyTakenOut", Level = LogLevel.Error,
        Message = "Backend {Backend} refused the key {KeyLabel}; it is not used for {Time}, unless it changes.")]
    private static partial void KeyTakenOut(ILogger logger, string backend, string keyLabel, TimeSpan time);

    private sealed record Pause(BackendFailure Failure, DateTimeOffset Until, bool KeyRefused, string? Key)
    {
        // Never the key.
        public override string ToString() => Failure.ToString();
    }
}
