using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Health.V1;
using GrpcLlm.V1;

namespace GrpcLlm.Client;

/// <summary>
/// Client of one GrpcLlm deployment. Thread-safe: make one per deployment, share it and dispose it at the end; any number
/// of generations may run on it at the same time.
/// </summary>
/// <remarks>
/// Every method throws <see cref="GenerationException"/> if the call fails, <see cref="OperationCanceledException"/> if
/// the caller's token ended it, and <see cref="ObjectDisposedException"/> if the client is disposed. A generation that fails
/// before its first token is tried again as <see cref="GrpcLlmClientOptions.Retry"/> says; nothing else is.
/// Disposing a client that owns its connection ends calls that still run, with <see cref="ObjectDisposedException"/>.
/// </remarks>
public sealed class GrpcLlmClient : IDisposable, IAsyncDisposable
{
    private readonly ClientConnection _connection;

    /// <summary>Makes a client with a connection of its own, which is opened by the first call.</summary>
    /// <param name="address">Address of the service: <c>http://host:port</c> (HTTP/2 without TLS) or <c>https://…</c>.</param>
    /// <param name="options">How to connect and call; its own address is not used. Null: the defaults.</param>
    /// <exception cref="ArgumentException">The address is neither http nor https, or an option is wrong: every error is named.</exception>
    public GrpcLlmClient(Uri address, GrpcLlmClientOptions? options = null)
        : this(At(address, options ?? new GrpcLlmClientOptions()), callInvoker: null)
    {
    }

    /// <summary>Makes a client with a connection of its own, which is opened by the first call.</summary>
    /// <param name="options">How to connect and call.</param>
    /// <exception cref="ArgumentException">An option is wrong, or there is no address: every error is named.</exception>
    public GrpcLlmClient(GrpcLlmClientOptions options) : this(options, callInvoker: null)
    {
    }

    /// <summary>Makes a client on a channel of the caller's, who disposes it and answers for its credentials' safety.</summary>
    /// <param name="channel">The channel. Its <c>ThrowOperationCanceledOnCancellation</c> must be off (the default).</param>
    /// <param name="options">How to call; what concerns the connection is not used. Null: the defaults.</param>
    /// <exception cref="ArgumentException">An option is wrong: every error is named.</exception>
    public GrpcLlmClient(ChannelBase channel, GrpcLlmClientOptions? options = null)
        : this((channel ?? throw new ArgumentNullException(nameof(channel))).CreateCallInvoker(), options)
    {
    }

    /// <summary>
    /// Makes a client on a call invoker, such as a channel with interceptors or a fake of a test. Nothing is disposed with it.
    /// </summary>
    /// <param name="callInvoker">The call invoker.</param>
    /// <param name="options">How to call; what concerns the connection is not used. Null: the defaults.</param>
    /// <exception cref="ArgumentException">An option is wrong: every error is named.</exception>
    public GrpcLlmClient(CallInvoker callInvoker, GrpcLlmClientOptions? options = null)
        : this(options ?? new GrpcLlmClientOptions(), callInvoker ?? throw new ArgumentNullException(nameof(callInvoker)))
    {
    }

    private GrpcLlmClient(GrpcLlmClientOptions options, CallInvoker? callInvoker)
    {
        ArgumentNullException.ThrowIfNull(options);
        var errors = OptionsErrors.Of(options, ownsChannel: callInvoker is null);
        if (errors.Count > 0) throw new ArgumentException(string.Join(' ', errors), nameof(options));

        var channel = callInvoker is null ? ChannelFactory.Create(options.Address!, options) : null;
        _connection = new ClientConnection(callInvoker ?? channel!.CreateCallInvoker(), options, channel);
    }

    /// <summary>Address of the service, as the options name it; null if they do not.</summary>
    public Uri? Address => _connection.Address;

    /// <summary>Model of requests that name none; empty for the deployment's default.</summary>
    public string DefaultModel => _connection.DefaultModel;

    /// <summary>
    /// Generates one answer and streams it, message by message as the server sends them. The call starts with the
    /// enumeration. It ends at once, at the server too, when the enumeration is left early or the token is cancelled. An
    /// enumeration that ends without an exception has had its <see cref="TokenChunk.Finish"/>.
    /// </summary>
    /// <param name="request">
    /// What to generate. Must not change until the enumeration has ended. Without a request id it gets one of the client's.
    /// </param>
    /// <param name="options">Deadline and headers. Null: the client's defaults.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The messages, to be enumerated once by one reader, and what is known beside them.</returns>
    /// <exception cref="GenerationException">
    /// The call failed, before the first token or after some (<see cref="GenerationException.StreamedTokens"/>), the stream
    /// ended with status OK but without a finish, or it broke the rules of the contract. Thrown while enumerating.
    /// </exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Generation GenerateAsync(
        GenerateRequest request, GenerateCallOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return new Generation(_connection, request, options, cancellationToken);
    }

    /// <summary>Generates one answer and returns it whole: text, reasoning, tool calls, usage, timing.</summary>
    /// <param name="request">What to generate. Must not change until the call has ended.</param>
    /// <param name="options">Deadline and headers. Null: the client's defaults.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The answer. <see cref="GenerationAnswer.FinishReason"/> says whether the model came to its own end.</returns>
    /// <exception cref="GenerationException">
    /// The call failed; <see cref="GenerationException.PartialAnswer"/> holds what came before.
    /// </exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<GenerationAnswer> GenerateAnswerAsync(
        GenerateRequest request, GenerateCallOptions? options = null, CancellationToken cancellationToken = default)
    {
        var generation = GenerateAsync(request, options, cancellationToken);
        var accumulator = new GenerationAccumulator();
        try
        {
            await foreach (var chunk in generation) accumulator.Add(chunk);
        }
        catch (GenerationException failure)
        {
            failure.PartialAnswer = accumulator.ToAnswer(generation);
            throw;
        }

        return accumulator.ToAnswer(generation);
    }

    /// <summary>
    /// Generates one answer and returns its text alone. Whether a limit or a filter cut it short is not in it:
    /// <see cref="GenerateAnswerAsync"/> tells.
    /// </summary>
    /// <param name="request">What to generate. Must not change until the call has ended.</param>
    /// <param name="options">Deadline and headers. Null: the client's defaults.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="GenerationException">
    /// The call failed; <see cref="GenerationException.PartialAnswer"/> holds what came before.
    /// </exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<string> GenerateTextAsync(
        GenerateRequest request, GenerateCallOptions? options = null, CancellationToken cancellationToken = default) =>
        (await GenerateAnswerAsync(request, options, cancellationToken)).Text;

    /// <summary>Generates the answer to one prompt and returns its text alone, as the overload that takes a request.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="options">Deadline and headers. Null: the client's defaults.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="GenerationException">
    /// The call failed; <see cref="GenerationException.PartialAnswer"/> holds what came before.
    /// </exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<string> GenerateTextAsync(
        string prompt, GenerateCallOptions? options = null, CancellationToken cancellationToken = default) =>
        GenerateTextAsync(new GenerateRequest { Prompt = prompt }, options, cancellationToken);

    /// <summary>Lists the models that the caller may use, ordered by name: all pages, each fetched when it is reached.</summary>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="GenerationException">A call failed. Thrown while enumerating.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async IAsyncEnumerable<Model> ListModelsAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var request = new ListModelsRequest();
        while (true)
        {
            var page = await CallAsync(_connection.Generations.ListModelsAsync, request, "", cancellationToken);
            foreach (var model in page.Models) yield return model;
            if (page.NextPageToken.Length == 0) yield break;
            if (string.Equals(page.NextPageToken, request.PageToken, StringComparison.Ordinal))
            {
                throw new GenerationException("The server repeats a page of models.")
                {
                    Kind = GenerationFailureKind.ProtocolViolation,
                    StatusCode = StatusCode.DataLoss,
                };
            }

            request = new ListModelsRequest { PageToken = page.NextPageToken };
        }
    }

    /// <summary>Counts the input tokens that a request would use. Generates nothing.</summary>
    /// <param name="request">What to count. Must not change until the call has ended.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="GenerationException">The call failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<CountTokensResponse> CountTokensAsync(
        CountTokensRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Model.Length == 0 && DefaultModel.Length > 0)
        {
            request = request.Clone();
            request.Model = DefaultModel;
        }

        return CallAsync(_connection.Generations.CountTokensAsync, request, "", cancellationToken);
    }

    /// <summary>
    /// Ends the running generations of that name. Each of their streams finishes in good order, with what was delivered
    /// and what it cost. That there is none is an answer, not a failure.
    /// </summary>
    /// <param name="requestId">Name of the generation: <see cref="Generation.RequestId"/>.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="GenerationException">The call failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<CancelGenerationResponse> CancelGenerationAsync(
        string requestId, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(requestId);
        var request = new CancelGenerationRequest { RequestId = requestId };
        return CallAsync(_connection.Generations.CancelGenerationAsync, request, requestId, cancellationToken);
    }

    /// <summary>Asks whether the server takes calls.</summary>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>True if it does; false if it answers but does not, while it starts or shuts down.</returns>
    /// <exception cref="GenerationException">The call failed: nobody answers.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<bool> CheckHealthAsync(CancellationToken cancellationToken = default)
    {
        var response = await CallAsync(_connection.Health.CheckAsync, new HealthCheckRequest(), "", cancellationToken);
        return response.Status == HealthCheckResponse.Types.ServingStatus.Serving;
    }

    /// <summary>Closes the client's own connection; calls that still run fail.</summary>
    public void Dispose() => _connection.Dispose();

    /// <summary>As <see cref="Dispose"/>.</summary>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    private static GrpcLlmClientOptions At(Uri address, GrpcLlmClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(address);
        return options.At(address);
    }

    private async Task<TResponse> CallAsync<TRequest, TResponse>(
        Func<TRequest, CallOptions, AsyncUnaryCall<TResponse>> method,
        TRequest request, string requestId, CancellationToken cancellationToken)
    {
        _connection.ThrowIfDisposed();
        var headers = await _connection.HeadersAsync(headers: null, cancellationToken);
        try
        {
            var deadline = _connection.DeadlineIn(_connection.UnaryTimeout);
            using var call = method(request, new CallOptions(headers, deadline, cancellationToken));
            return await call.ResponseAsync;
        }
        catch (RpcException exception)
        {
            throw _connection.Translate(exception, new StreamProgress(requestId), cancellationToken);
        }
    }
}
