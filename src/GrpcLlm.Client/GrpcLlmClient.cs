using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Client;

/// <summary>
/// Client of one GrpcLlm deployment. Thread-safe: make one per deployment, share it and dispose it at the end; any number
/// of generations may run on it at the same time.
/// </summary>
/// <remarks>
/// Every method throws <see cref="GenerationException"/> if the call fails, <see cref="OperationCanceledException"/> if
/// the caller's token ended it, and <see cref="ObjectDisposedException"/> if the client is disposed. Nothing is retried:
/// <see cref="GenerationException.RetrySafe"/> and <see cref="GenerationException.RetryAfter"/> say when that is safe.
/// Disposing a client that owns its connection ends calls that still run, with <see cref="ObjectDisposedException"/>.
/// </remarks>
public sealed class GrpcLlmClient : IDisposable, IAsyncDisposable
{
    private readonly GenerationService.GenerationServiceClient _generation;
    private readonly Health.HealthClient _health;
    private readonly TimeProvider _timeProvider;
    private readonly TimeSpan _unaryTimeout;
    private readonly GrpcChannel? _ownedChannel;
    private volatile bool _disposed;

    /// <summary>Makes a client with a connection of its own, which is opened by the first call.</summary>
    /// <param name="address">Address of the service: <c>http://host:port</c> (HTTP/2 without TLS) or <c>https://…</c>.</param>
    /// <param name="options">How to connect. Null: the defaults.</param>
    /// <exception cref="ArgumentException">The address is neither http nor https.</exception>
    public GrpcLlmClient(Uri address, GrpcLlmClientOptions? options = null)
        : this(CreateChannel(address, options ??= new GrpcLlmClientOptions()), options)
    {
    }

    /// <summary>Makes a client on a channel of the caller's, who disposes it.</summary>
    /// <param name="channel">The channel. Its <c>ThrowOperationCanceledOnCancellation</c> must be off (the default).</param>
    public GrpcLlmClient(ChannelBase channel)
        : this((channel ?? throw new ArgumentNullException(nameof(channel))).CreateCallInvoker())
    {
    }

    /// <summary>Makes a client on a call invoker, such as a channel with interceptors. Nothing is disposed with it.</summary>
    /// <param name="callInvoker">The call invoker.</param>
    public GrpcLlmClient(CallInvoker callInvoker)
        : this(callInvoker, new GrpcLlmClientOptions())
    {
    }

    private GrpcLlmClient(GrpcChannel ownedChannel, GrpcLlmClientOptions options)
        : this(ownedChannel.CreateCallInvoker(), options) => _ownedChannel = ownedChannel;

    private GrpcLlmClient(CallInvoker callInvoker, GrpcLlmClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(callInvoker);
        _generation = new GenerationService.GenerationServiceClient(callInvoker);
        _health = new Health.HealthClient(callInvoker);
        _timeProvider = options.TimeProvider;
        _unaryTimeout = options.UnaryTimeout;
    }

    /// <summary>
    /// Generates one answer and streams it, message by message as the server sends them. The call starts with the
    /// enumeration, and each enumeration is a generation of its own. It ends at once, at the server too, when the
    /// enumeration is left early or the token is cancelled. An enumeration that ends without an exception has had its
    /// <see cref="TokenChunk.Finish"/>.
    /// </summary>
    /// <param name="request">What to generate. Must not change while the enumeration runs.</param>
    /// <param name="options">Deadline and headers. Null: none.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The messages. One enumeration is to be read by one reader.</returns>
    /// <exception cref="GenerationException">
    /// The call failed, before the first token or after some (<see cref="GenerationException.StreamedTokens"/>), or the
    /// stream ended with status OK but without a finish. Thrown while enumerating.
    /// </exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public IAsyncEnumerable<TokenChunk> GenerateAsync(
        GenerateRequest request, GenerateCallOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return GenerateCoreAsync(request, options, cancellationToken);
    }

    /// <summary>Lists the models that the caller may use, ordered by name: all pages.</summary>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="GenerationException">The call failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<IReadOnlyList<Model>> ListModelsAsync(CancellationToken cancellationToken = default)
    {
        var models = new List<Model>();
        var request = new ListModelsRequest();
        while (true)
        {
            var page = await CallAsync(_generation.ListModelsAsync, request, "", cancellationToken);
            models.AddRange(page.Models);
            if (page.NextPageToken.Length == 0) return models;
            if (string.Equals(page.NextPageToken, request.PageToken, StringComparison.Ordinal))
                throw new GenerationException("The server repeats a page of models.") { StatusCode = StatusCode.Internal };
            request = new ListModelsRequest { PageToken = page.NextPageToken };
        }
    }

    /// <summary>Counts the input tokens that a request would use. Generates nothing.</summary>
    /// <param name="request">What to count.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="GenerationException">The call failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<CountTokensResponse> CountTokensAsync(
        CountTokensRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return CallAsync(_generation.CountTokensAsync, request, "", cancellationToken);
    }

    /// <summary>
    /// Ends the running generations of that name. Each of their streams finishes in good order, with what was delivered
    /// and what it cost. That there is none is an answer, not a failure.
    /// </summary>
    /// <param name="requestId">Name of the generation: the request's, or the one in <see cref="Started"/>.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="GenerationException">The call failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<CancelGenerationResponse> CancelAsync(string requestId, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(requestId);
        var request = new CancelGenerationRequest { RequestId = requestId };
        return CallAsync(_generation.CancelGenerationAsync, request, requestId, cancellationToken);
    }

    /// <summary>Asks whether the server takes calls.</summary>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>True if it does; false if it answers but does not, while it starts or shuts down.</returns>
    /// <exception cref="GenerationException">The call failed: nobody answers.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<bool> CheckHealthAsync(CancellationToken cancellationToken = default)
    {
        var response = await CallAsync(_health.CheckAsync, new HealthCheckRequest(), "", cancellationToken);
        return response.Status == HealthCheckResponse.Types.ServingStatus.Serving;
    }

    /// <summary>Closes the client's own connection; calls that still run fail.</summary>
    public void Dispose()
    {
        _disposed = true;
        _ownedChannel?.Dispose();
    }

    /// <summary>As <see cref="Dispose"/>.</summary>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    private static GrpcChannel CreateChannel(Uri address, GrpcLlmClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(address);
        return ChannelFactory.Create(address, options);
    }

    private async IAsyncEnumerable<TokenChunk> GenerateCoreAsync(
        GenerateRequest request, GenerateCallOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var progress = new StreamProgress(request.RequestId);

        // Disposing the call resets the stream: this is what ends the generation when the reader leaves early.
        using var call = _generation.Generate(
            request, new CallOptions(options?.Headers, DeadlineIn(options?.Timeout), cancellationToken));
        while (await MoveNextAsync(call.ResponseStream, progress, cancellationToken))
        {
            var chunk = call.ResponseStream.Current;
            progress.Observe(chunk);
            yield return chunk;
        }

        if (!progress.Finished) throw Failures.Truncated(progress);
    }

    // Apart, since an iterator cannot yield inside a try that catches.
    private async ValueTask<bool> MoveNextAsync(
        IAsyncStreamReader<TokenChunk> stream, StreamProgress progress, CancellationToken cancellationToken)
    {
        try
        {
            return await stream.MoveNext(cancellationToken);
        }
        catch (RpcException exception)
        {
            throw Translate(exception, progress, cancellationToken);
        }
    }

    private async Task<TResponse> CallAsync<TRequest, TResponse>(
        Func<TRequest, CallOptions, AsyncUnaryCall<TResponse>> method,
        TRequest request, string requestId, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        try
        {
            using var call = method(
                request, new CallOptions(deadline: DeadlineIn(_unaryTimeout), cancellationToken: cancellationToken));
            return await call.ResponseAsync;
        }
        catch (RpcException exception)
        {
            throw Translate(exception, new StreamProgress(requestId), cancellationToken);
        }
    }

    private Exception Translate(RpcException exception, StreamProgress progress, CancellationToken cancellationToken)
    {
        // The channel ends its calls as if they had been cancelled; the caller is told what it was, whenever it reads.
        var endedByDispose = _disposed && _ownedChannel is not null && exception.StatusCode == StatusCode.Cancelled;
        return endedByDispose
            ? new ObjectDisposedException($"{nameof(GrpcLlmClient)} was disposed while the call ran.", exception)
            : Failures.Translate(exception, progress, cancellationToken);
    }

    private DateTime? DeadlineIn(TimeSpan? timeout) =>
        timeout is { } value && value != Timeout.InfiniteTimeSpan ? _timeProvider.GetUtcNow().UtcDateTime + value : null;
}
