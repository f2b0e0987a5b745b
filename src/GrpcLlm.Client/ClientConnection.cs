using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Health.V1;
using Grpc.Net.Client;
using GrpcLlm.Client.Resilience;
using GrpcLlm.Client.Telemetry;
using GrpcLlm.V1;
using Polly;

namespace GrpcLlm.Client;

/// <summary>What all calls of one client share. Thread-safe.</summary>
internal sealed class ClientConnection : IDisposable
{
    private readonly BearerToken _token;
    private readonly GrpcChannel? _ownedChannel;
    private volatile bool _disposed;

    /// <param name="callInvoker">What makes the calls.</param>
    /// <param name="options">Valid options.</param>
    /// <param name="ownedChannel">Channel to dispose with the client; null if it is the caller's.</param>
    public ClientConnection(CallInvoker callInvoker, GrpcLlmClientOptions options, GrpcChannel? ownedChannel)
    {
        if (options.Headers is { } headers) callInvoker = callInvoker.Intercept(given => Merge(given, headers));
        Generations = new GenerationService.GenerationServiceClient(callInvoker);
        Health = new Health.HealthClient(callInvoker);
        DefaultModel = options.DefaultModel;
        Address = options.Address;
        Time = options.TimeProvider;
        GenerateTimeout = options.GenerateTimeout;
        UnaryTimeout = options.UnaryTimeout;
        RetryBudget = options.Retry.Budget;
        Backoff = new Backoff(options.Retry.BaseDelay, options.Retry.MaxDelay);
        Retries = RetryPipeline.Build(options.Retry, options.TimeProvider);
        Instruments = new ClientInstruments(options.MeterFactory, options.TimeProvider, options.Address);
        _token = new BearerToken(options.ApiKey, options.TokenProvider);
        _ownedChannel = ownedChannel;
    }

    public GenerationService.GenerationServiceClient Generations { get; }

    public Health.HealthClient Health { get; }

    public string DefaultModel { get; }

    public Uri? Address { get; }

    public TimeProvider Time { get; }

    public TimeSpan? GenerateTimeout { get; }

    public TimeSpan UnaryTimeout { get; }

    public TimeSpan RetryBudget { get; }

    public Backoff Backoff { get; }

    public ResiliencePipeline<GenerationAttempt> Retries { get; }

    public ClientInstruments Instruments { get; }

    /// <summary>The headers of one attempt, credentials included.</summary>
    /// <exception cref="GenerationException">The token provider gave no token.</exception>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public ValueTask<Metadata?> HeadersAsync(Metadata? headers, CancellationToken cancellationToken) =>
        _token.AddToAsync(headers, cancellationToken);

    /// <summary>The deadline of a call that starts now; null for none.</summary>
    public DateTime? DeadlineIn(TimeSpan? timeout) =>
        timeout is { } value && value != Timeout.InfiniteTimeSpan ? Time.GetUtcNow().UtcDateTime + value : null;

    /// <summary>What the caller gets for a failed call.</summary>
    public Exception Translate(RpcException exception, StreamProgress progress, CancellationToken cancellationToken)
    {
        // The channel ends its calls as if they had been cancelled; the caller is told what it was, whenever it reads.
        var endedByDispose = _disposed && _ownedChannel is not null && exception.StatusCode == StatusCode.Cancelled;
        return endedByDispose
            ? new ObjectDisposedException($"{nameof(GrpcLlmClient)} was disposed while the call ran.", exception)
            : Failures.Translate(exception, progress, cancellationToken);
    }

    public void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, typeof(GrpcLlmClient));

    public void Dispose()
    {
        _disposed = true;
        _ownedChannel?.Dispose();
    }

    private static Metadata Merge(Metadata given, Metadata headers)
    {
        var all = new Metadata();
        foreach (var entry in given) all.Add(entry);
        foreach (var entry in headers)
        {
            if (given.Get(entry.Key) is null) all.Add(entry);
        }

        return all;
    }
}
