using System.Diagnostics;
using System.Runtime.CompilerServices;
using Grpc.Core;
using GrpcLlm.Client.Resilience;
using GrpcLlm.Client.Telemetry;
using GrpcLlm.V1;
using Polly;

namespace GrpcLlm.Client;

/// <summary>
/// One generation: its messages, to be enumerated once by one reader, and what is known beside them. The call starts with
/// the enumeration and ends at once, at the server too, when the enumeration is left early or its token is cancelled.
/// </summary>
/// <remarks>
/// An enumeration that ends without an exception has had its <see cref="TokenChunk.Finish"/>. Messages come as the server
/// sent them; with <c>output.progress</c> the sequence begins anew with every attempt, and no attempt follows one that sent
/// anything but progress. The properties are for the reader; they are not synchronised.
/// </remarks>
public sealed class Generation : IAsyncEnumerable<TokenChunk>
{
    private readonly ClientConnection _connection;
    private readonly GenerateRequest _request;
    private readonly GenerateCallOptions? _options;
    private readonly CancellationToken _cancellationToken;
    private GenerationOpening? _opening;
    private GenerationAttempt? _attempt;
    private GenerationSummary? _summary;
    private int _enumerated;

    internal Generation(
        ClientConnection connection, GenerateRequest request, GenerateCallOptions? options, CancellationToken cancellationToken)
    {
        _connection = connection;
        _request = WithDefaults(request, connection.DefaultModel);
        _options = options;
        _cancellationToken = cancellationToken;
    }

    /// <summary>
    /// Name of the generation, for <see cref="GrpcLlmClient.CancelGenerationAsync"/> and logs: the request's or, where it
    /// has none, one that the client made. Known before the call starts; the same for all attempts.
    /// </summary>
    public string RequestId => Progress?.RequestId ?? _request.RequestId;

    /// <summary>What the server told with the first token; null before it.</summary>
    public Started? Started => Progress?.Started;

    /// <summary>How the generation ended; null before its last message.</summary>
    public Finish? Finish => Progress?.Finish;

    /// <summary>
    /// What the trailers say about the generation, its attempts one by one included. Null before the end of the enumeration,
    /// and where something on the way dropped it. On failure it is in <see cref="GenerationException.Summary"/>.
    /// </summary>
    public GenerationSummary? Summary =>
        _summary ??= ResponseTrailers is { } trailers ? FailureDetails.SummaryIn(trailers) : null;

    /// <summary>The response headers; null before the first message that is not progress.</summary>
    public Metadata? ResponseHeaders => _attempt?.Headers;

    /// <summary>The trailers of a complete stream; null before its end.</summary>
    public Metadata? ResponseTrailers => _attempt?.Trailers;

    /// <summary>Calls made for this generation so far.</summary>
    public int Attempts => _opening?.Attempts ?? 0;

    /// <summary>Sequence of the last message of the latest attempt; 0 before the first.</summary>
    public ulong LastSequence => Progress?.LastSequence ?? 0;

    /// <summary>Tokens received.</summary>
    public uint StreamedTokens => Progress?.StreamedTokens ?? 0;

    private StreamProgress? Progress => _opening?.Latest;

    /// <summary>Starts the call.</summary>
    /// <param name="cancellationToken">Ends it, as the token given to the client's method does.</param>
    /// <exception cref="InvalidOperationException">The generation was enumerated before.</exception>
    public IAsyncEnumerator<TokenChunk> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        if (Interlocked.Exchange(ref _enumerated, 1) != 0)
            throw new InvalidOperationException("A generation can be enumerated once; GenerateAsync makes another one.");
        return RunAsync(_cancellationToken).GetAsyncEnumerator(cancellationToken);
    }

    private static GenerateRequest WithDefaults(GenerateRequest request, string defaultModel)
    {
        if (request.RequestId.Length > 0 && (request.Model.Length > 0 || defaultModel.Length == 0)) return request;
        request = request.Clone();
        if (request.RequestId.Length == 0) request.RequestId = Guid.NewGuid().ToString("N");
        if (request.Model.Length == 0) request.Model = defaultModel;
        return request;
    }

    private async IAsyncEnumerable<TokenChunk> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        _connection.ThrowIfDisposed();
        var observer = _connection.Instruments.Observe(_request);

        // Ends the opening when the reader leaves while it waits: only then are messages handed out before it is done.
        using var ending = _request.Output is { Progress: true }
            ? CancellationTokenSource.CreateLinkedTokenSource(cancellationToken)
            : null;
        _opening = new GenerationOpening(
            _connection, _request, _options, observer?.Activity, ending?.Token ?? cancellationToken);
        var opened = _opening.RunAsync();
        try
        {
            // 1 wait: what the attempts wait for, if the request asks to be told.
            if (_opening.Progress is { } progress)
            {
                while (await progress.WaitToReadAsync(CancellationToken.None))
                {
                    while (progress.TryRead(out var waiting)) yield return waiting;
                }
            }

            // 2 open: the attempt that has the first message, or the last one's failure.
            _attempt = Opened(await opened, observer, cancellationToken);

            // 3 stream: one read for one message, and nothing in between.
            for (var more = true; more;)
            {
                observer?.Received(_attempt.Progress);
                yield return _attempt.Current!;
                try
                {
                    more = _attempt.Take(await _attempt.Stream.MoveNext(CancellationToken.None));
                }
                catch (Exception exception) when (exception is RpcException or GenerationException)
                {
                    throw Failure(exception, observer, cancellationToken);
                }
            }
        }
        finally
        {
            // 4 end: a stream that is still open is reset, and an attempt that is still waited for given up.
            if (_attempt is null && ending is not null)
            {
                await ending.CancelAsync();
                _attempt = (await opened).Result;
            }

            _attempt?.Dispose();
            observer?.End(_opening.Latest, _opening.Attempts);
        }
    }

    private static GenerationAttempt Opened(
        Outcome<GenerationAttempt> outcome, GenerationObserver? observer, CancellationToken cancellationToken)
    {
        if (outcome.Result is { } attempt) return attempt;
        observer?.Failed(outcome.Exception!);
        if (outcome.Exception is OperationCanceledException cancelled)
            throw Failures.Cancelled(cancelled.InnerException, cancellationToken);
        outcome.ThrowIfException();
        throw new UnreachableException();
    }

    private Exception Failure(Exception exception, GenerationObserver? observer, CancellationToken cancellationToken)
    {
        var failure = exception is RpcException failed
            ? _connection.Translate(failed, _attempt!.Progress, cancellationToken)
            : exception;
        observer?.Failed(failure);
        return failure;
    }
}
