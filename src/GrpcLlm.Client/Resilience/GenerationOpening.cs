using System.Diagnostics;
using System.Threading.Channels;
using Grpc.Core;
using GrpcLlm.Client.Telemetry;
using GrpcLlm.V1;
using Polly;

namespace GrpcLlm.Client.Resilience;

/// <summary>
/// The way of one generation to its first token: attempts, and the waits between them. Whoever gets a
/// <see cref="GenerationAttempt"/> from it has passed the point after which there is no second one. Used by one call.
/// </summary>
internal sealed class GenerationOpening
{
    private static readonly ResiliencePropertyKey<GenerationOpening> Key = new("grpcllm.opening");

    private readonly ClientConnection _connection;
    private readonly GenerateRequest _request;
    private readonly GenerateCallOptions? _options;
    private readonly CancellationToken _cancellationToken;
    private readonly Activity? _activity;
    private readonly long _start;
    private readonly DateTime? _deadline;

    // One message: an attempt goes on only when the reader has taken it.
    private readonly Channel<TokenChunk>? _progress;

    /// <param name="connection">What makes the calls.</param>
    /// <param name="request">What to generate; has a request id.</param>
    /// <param name="options">What the caller wants of this call.</param>
    /// <param name="activity">The generation's span; null while nobody listens.</param>
    /// <param name="cancellationToken">Ends attempts and waits, and the stream that comes of them.</param>
    public GenerationOpening(
        ClientConnection connection, GenerateRequest request, GenerateCallOptions? options, Activity? activity,
        CancellationToken cancellationToken)
    {
        _activity = activity;
        _connection = connection;
        _request = request;
        _options = options;
        _cancellationToken = cancellationToken;
        _start = connection.Time.GetTimestamp();
        _deadline = connection.DeadlineIn(options?.Timeout ?? connection.GenerateTimeout);
        _progress = request.Output is { Progress: true } ? Channel.CreateBounded<TokenChunk>(1) : null;
    }

    /// <summary>What the attempts wait for; ends when the opening does. Null unless the request asks for progress.</summary>
    public ChannelReader<TokenChunk>? Progress => _progress?.Reader;

    /// <summary>The latest attempt's progress; null before the first attempt.</summary>
    public StreamProgress? Latest { get; private set; }

    /// <summary>Calls made.</summary>
    public int Attempts { get; private set; }

    /// <summary>Wait before the next attempt, as <see cref="MayTryAgain"/> found it.</summary>
    public TimeSpan NextWait { get; private set; }

    /// <summary>The opening to which a context of the pipeline belongs.</summary>
    public static GenerationOpening Of(ResilienceContext context) => context.Properties.GetValue(Key, null!);

    /// <summary>Runs attempts until one has the first message that is no progress, or none is left.</summary>
    /// <returns>
    /// The attempt, or a <see cref="GenerationException"/>, <see cref="ObjectDisposedException"/> or
    /// <see cref="OperationCanceledException"/>; never throws one of them.
    /// </returns>
    public async Task<Outcome<GenerationAttempt>> RunAsync()
    {
        var context = ResilienceContextPool.Shared.Get(_cancellationToken);
        context.Properties.Set(Key, this);
        try
        {
            return await _connection.Retries.ExecuteOutcomeAsync(static (_, opening) => opening.TryAsync(), context, this);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
            _progress?.Writer.Complete();
        }
    }

    /// <summary>Whether an attempt that failed so is followed by another, and after which wait.</summary>
    public bool MayTryAgain(Exception? exception)
    {
        if (exception is not GenerationException { RetrySafe: true, RetryForbidden: false } failure) return false;
        if (_options is { NoRetry: true }) return false;
        NextWait = failure.RetryAfter ?? _connection.Backoff.After(Attempts, Random.Shared.NextDouble());
        return _connection.Time.GetElapsedTime(_start) + NextWait < _connection.RetryBudget
            && !(_deadline <= _connection.Time.GetUtcNow().UtcDateTime + NextWait);
    }

    private async ValueTask<Outcome<GenerationAttempt>> TryAsync()
    {
        GenerationAttempt? attempt = null;
        try
        {
            var headers = await _connection.HeadersAsync(_options?.Headers, _cancellationToken);
            attempt = Start(TraceContext.AddTo(headers, _activity));
            while (await attempt.ReadAsync() && !attempt.Progress.HasOutput && _progress is not null)
                await _progress.Writer.WriteAsync(attempt.Current!, _cancellationToken);
            return Outcome.FromResult(attempt);
        }
        catch (RpcException exception)
        {
            attempt?.Dispose();
            return Outcome.FromException<GenerationAttempt>(_connection.Translate(exception, Latest!, _cancellationToken));
        }
        catch (Exception exception) when (exception is GenerationException or ObjectDisposedException or OperationCanceledException)
        {
            attempt?.Dispose();
            return Outcome.FromException<GenerationAttempt>(exception);
        }
    }

    private GenerationAttempt Start(Metadata? headers)
    {
        _connection.ThrowIfDisposed();
        Attempts++;
        Latest = new StreamProgress(_request.RequestId, Attempts, _request.HasResumeAfter ? _request.ResumeAfter : 0);
        return new GenerationAttempt(
            _connection.Generations.Generate(_request, new CallOptions(headers, _deadline, _cancellationToken)), Latest);
    }
}
