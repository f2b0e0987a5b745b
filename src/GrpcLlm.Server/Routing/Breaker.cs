using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using Polly;
using Polly.CircuitBreaker;

namespace GrpcLlm.Server.Routing;

/// <summary>
/// The circuit breaker of one lane. An attempt that brings a first token counts as a success; a stream that breaks off
/// later counts as a failure beside it, so streams that all break off come to a ratio of one half. Thread-safe.
/// </summary>
internal sealed partial class Breaker
{
    private readonly CircuitBreakerStateProvider _state = new();
    private readonly ResiliencePipeline<OpenedAnswer> _pipeline;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger _logger;
    private readonly string _backend;
    private readonly string _keyLabel;
    private long _openUntilTicks;

    public Breaker(string backend, string keyLabel, ResilienceOptions options, TimeProvider timeProvider, ILogger logger)
    {
        _backend = backend;
        _keyLabel = keyLabel;
        _timeProvider = timeProvider;
        _logger = logger;
        _pipeline = new ResiliencePipelineBuilder<OpenedAnswer> { TimeProvider = timeProvider }
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions<OpenedAnswer>
            {
                FailureRatio = options.BreakerFailureRatio,
                MinimumThroughput = options.BreakerMinimumThroughput,
                SamplingDuration = options.BreakerSamplingDuration,
                BreakDuration = options.BreakerBreakDuration,
                StateProvider = _state,
                ShouldHandle = arguments => ValueTask.FromResult(IsFailure(arguments.Outcome.Exception)),
                OnOpened = arguments => NoteOpened(arguments.BreakDuration),
                OnClosed = _ => NoteClosed(),
            })
            .Build();
    }

    /// <summary>Its state now; an open one becomes half open with the first attempt after its break.</summary>
    public CircuitState State => _state.CircuitState;

    /// <summary>Time for which nothing passes; null: an attempt may try.</summary>
    public TimeSpan? Wait
    {
        get
        {
            switch (_state.CircuitState)
            {
                case CircuitState.Closed:
                    return null;
                case CircuitState.HalfOpen:
                    // One attempt tries; how long it takes nobody knows.
                    return Requests.ErrorTable.DefaultRetryAfter;
                default:
                    var left = Volatile.Read(ref _openUntilTicks) - _timeProvider.GetUtcNow().Ticks;
                    return left > 0 ? TimeSpan.FromTicks(left) : null;
            }
        }
    }

    /// <summary>Runs an attempt, unless the breaker is open: then its outcome is a <see cref="BrokenCircuitException"/>.</summary>
    public ValueTask<Outcome<OpenedAnswer>> ExecuteAsync<TState>(
        Func<ResilienceContext, TState, ValueTask<Outcome<OpenedAnswer>>> attempt, ResilienceContext context, TState state) =>
        _pipeline.ExecuteOutcomeAsync(attempt, context, state);

    /// <summary>Counts a stream that failed after its first token.</summary>
    public async ValueTask NoteStreamFailureAsync(BackendException exception)
    {
        // While it is open or being tried, that attempt alone decides.
        if (_state.CircuitState != CircuitState.Closed) return;
        var context = ResilienceContextPool.Shared.Get(CancellationToken.None);
        try
        {
            await _pipeline.ExecuteOutcomeAsync(
                static (_, failure) => Outcome.FromExceptionAsValueTask<OpenedAnswer>(failure), context,
                new BackendException(BackendFailure.Unavailable, exception.Message, exception));
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    // A trial that was given up proves nothing, and Polly would take it for a success.
    private bool IsFailure(Exception? exception) => exception switch
    {
        BackendException failure => AttemptRules.Of(failure).CountsForBreaker,
        OperationCanceledException => _state.CircuitState == CircuitState.HalfOpen,
        _ => false,
    };

    private ValueTask NoteOpened(TimeSpan duration)
    {
        Volatile.Write(ref _openUntilTicks, (_timeProvider.GetUtcNow() + duration).Ticks);
        BreakerOpened(_logger, _backend, _keyLabel, duration);
        return ValueTask.CompletedTask;
    }

    private ValueTask NoteClosed()
    {
        BreakerClosed(_logger, _backend, _keyLabel);
        return ValueTask.CompletedTask;
    }

    [LoggerMessage(EventId = 10, EventName = "BreakerOpened", Level = LogLevel.Warning,
        Message = "The circuit breaker of backend {Backend} (key {KeyLabel}) opened for {Duration}.")]
    private static partial void BreakerOpened(ILogger logger, string backend, string keyLabel, TimeSpan duration);

    [LoggerMessage(EventId = 11, EventName = "BreakerClosed", Level = LogLevel.Information,
        Message = "The circuit breaker of backend {Backend} (key {KeyLabel}) closed.")]
    private static partial void BreakerClosed(ILogger logger, string backend, string keyLabel);
}
