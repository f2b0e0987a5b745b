using System.Buffers;
using System.IO.Compression;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// One request to a provider and its answer. Holds the one cancellation of the attempt: the call's own token, the time
/// for the first token, and the silence after it; and knows afterwards which it was. Not thread-safe.
/// </summary>
internal sealed class UpstreamExchange : IAsyncDisposable
{
    private static readonly TimeSpan DrainTime = TimeSpan.FromMilliseconds(100);

    private const long NobodyWaits = long.MinValue;

    private readonly HttpBackendOptions _options;
    private readonly CancellationToken _callToken;
    private readonly CancellationTokenSource _source;
    private readonly ITimer _timer;
    private HttpResponseMessage? _response;
    private Stream _body = Stream.Null;
    private long _waitingSince = NobodyWaits;
    private volatile bool _firstTokenCame;
    private volatile bool _drains;
    private volatile bool _timedOut;

    public UpstreamExchange(HttpBackendOptions options, TimeProvider timeProvider, CancellationToken callToken)
    {
        TimeProvider = timeProvider;
        _options = options;
        _callToken = callToken;
        _source = CancellationTokenSource.CreateLinkedTokenSource(callToken);
        _timer = timeProvider.CreateTimer(
            static state => ((UpstreamExchange)state!).TimeOut(), this, options.FirstTokenTimeout, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Clock of the timeouts.</summary>
    public TimeProvider TimeProvider { get; }

    /// <summary>The key in use, so that no message repeats it.</summary>
    public string Secret { get; set; } = "";

    /// <summary>How the provider tells a blocked prompt: <see cref="Provider.EndingOf"/>.</summary>
    public Func<int, JsonElement, BackendEnding?> EndingOf { get; init; } = static (_, _) => null;

    /// <summary>Media type of the answer, lower case; empty if the provider does not say.</summary>
    public string MediaType { get; private set; } = "";

    /// <summary>Whether the body was read to its end.</summary>
    public bool IsAtEnd { get; private set; }

    /// <summary>
    /// Whether the answer is complete, so that the rest of the body is worth a moment when the exchange is disposed: its
    /// connection is then used again. By then the relay has sent our finish.
    /// </summary>
    public bool IsComplete { get; set; }

    /// <summary>
    /// Whether a wait of this exchange ended because the call was told to stop. Told, not thrown: an exception costs more in
    /// each frame that it passes than all else that a cancel does there, and calls may be cancelled by the thousand.
    /// </summary>
    public bool IsStopped { get; private set; }

    /// <summary>Sends the request and waits for the headers of a success.</summary>
    /// <param name="http">The provider's connections.</param>
    /// <param name="request">Disposed here.</param>
    /// <returns>False: <see cref="IsStopped"/>.</returns>
    /// <exception cref="BackendException">It failed, or the provider refused.</exception>
    /// <exception cref="OperationCanceledException">The call was told to stop while a refusal was read.</exception>
    public async Task<bool> OpenAsync(HttpMessageInvoker http, HttpRequestMessage request)
    {
        using var message = request;
        try
        {
            // The invoker gives the answer once its headers are there, and never buffers the body.
            UpstreamPropagator.SpareSpan(message);
            var sending = http.SendAsync(message, _source.Token);
            await ((Task)sending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (WasStopped(sending)) return false;
            _response = await sending;
            _body = Decompress(_response, await _response.Content.ReadAsStreamAsync(_source.Token));
        }
        catch (Exception exception) when (_callToken.IsCancellationRequested && IsOfConnection(exception))
        {
            IsStopped = true;
            return false;
        }
        catch (OperationCanceledException exception)
        {
            throw _timedOut
                ? Stalled(exception)
                : new BackendException(BackendFailure.Unavailable, "The backend could not be connected to in time.", exception);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            throw new BackendException(BackendFailure.Unavailable, Describe(exception), exception);
        }

        if (!_response.IsSuccessStatusCode) throw await UpstreamRefusal.ReadAsync(this, _response);
        MediaType = MediaTypeOf(_response.Content.Headers);
        return true;
    }

    /// <summary>From now on silence counts, not the time since the request.</summary>
    public void FirstTokenCame()
    {
        if (_firstTokenCame) return;
        _firstTokenCame = true;
        _timer.Change(_options.IdleTimeout, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Reads what has come, or waits for more; 0 at the end, or when <see cref="IsStopped"/>.</summary>
    /// <exception cref="BackendException">Stalled, or Truncated.</exception>
    public ValueTask<int> ReadAsync(Memory<byte> buffer)
    {
        ValueTask<int> read;
        try
        {
            read = _body.ReadAsync(buffer, _source.Token);
        }
        catch (Exception exception)
        {
            // Not all streams put it into the task.
            read = ValueTask.FromException<int>(exception);
        }

        if (read.IsCompletedSuccessfully) return ValueTask.FromResult(Note(read.Result));
        return WaitAsync(read);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> WaitAsync(ValueTask<int> read)
    {
        try
        {
            // Silence counts only while a read is awaited: a client that does not read is no stalled upstream.
            Volatile.Write(ref _waitingSince, TimeProvider.GetTimestamp());

            // No new task: a read that waits is one already.
            var waiting = read.AsTask();
            await ((Task)waiting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Volatile.Write(ref _waitingSince, NobodyWaits);
            return WasStopped(waiting) ? 0 : Note(await waiting);
        }
        catch (Exception exception) when (_callToken.IsCancellationRequested && IsOfConnection(exception))
        {
            IsStopped = true;
            return 0;
        }
        catch (OperationCanceledException exception)
        {
            throw Stalled(exception);
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException or InvalidDataException)
        {
            throw new BackendException(BackendFailure.Truncated, "The connection to the backend broke.", exception);
        }
    }

    /// <summary>Reads the whole body.</summary>
    /// <exception cref="BackendException">Stalled, Truncated, or Malformed: larger than allowed.</exception>
    /// <exception cref="OperationCanceledException">The call was told to stop.</exception>
    public async Task<byte[]> ReadAllAsync(int limit)
    {
        using var all = new MemoryStream();
        var buffer = new byte[16 * 1024];
        int read;
        while ((read = await ReadAsync(buffer)) > 0)
        {
            await all.WriteAsync(buffer.AsMemory(0, read), CancellationToken.None);
            if (all.Length > limit) throw new BackendException(BackendFailure.Malformed, "The backend's answer is too large.");
        }

        return IsStopped ? throw new OperationCanceledException(_callToken) : all.ToArray();
    }

    public async ValueTask DisposeAsync()
    {
        if (IsComplete && !IsAtEnd) await DrainAsync();
        await _timer.DisposeAsync();
        await _body.DisposeAsync();
        _response?.Dispose();
        _source.Dispose();
    }

    private async ValueTask DrainAsync()
    {
        _drains = true;
        _timer.Change(DrainTime, Timeout.InfiniteTimeSpan);
        var buffer = ArrayPool<byte>.Shared.Rent(4096);
        try
        {
            while (await _body.ReadAsync(buffer, _source.Token) > 0)
            {
                // What comes behind the end is nobody's.
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or HttpRequestException or InvalidDataException)
        {
            // The answer is complete; at worst its connection is closed instead of used again.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Whether a wait came to nothing because the call was told to stop; a defect is none of it.</summary>
    private bool WasStopped(Task ended)
    {
        if (ended.IsCompletedSuccessfully || !_callToken.IsCancellationRequested) return false;
        return IsStopped = ended.IsCanceled || IsOfConnection(ended.Exception!.InnerException!);
    }

    /// <summary>What a stop makes of a connection that is in use.</summary>
    private static bool IsOfConnection(Exception exception) =>
        exception is OperationCanceledException or HttpRequestException or IOException or InvalidDataException;

    private int Note(int read)
    {
        if (read == 0) IsAtEnd = true;
        return read;
    }

    private void TimeOut()
    {
        if (_firstTokenCame && !_drains && SilenceLeft is { Ticks: > 0 } left)
        {
            _timer.Change(left, Timeout.InfiniteTimeSpan);
            return;
        }

        _timedOut = true;
        try
        {
            _source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The exchange ended at this very moment.
        }
    }

    /// <summary>
    /// Time until the silence is too long. The timer looks at it when it fires, rather than being set anew for each read.
    /// </summary>
    private TimeSpan SilenceLeft => Volatile.Read(ref _waitingSince) is var since && since != NobodyWaits
        ? _options.IdleTimeout - TimeProvider.GetElapsedTime(since)
        : _options.IdleTimeout;

    private BackendException Stalled(Exception exception) => BackendException.Stalled(_firstTokenCame, exception);

    // Read by itself: what the collection has parsed it keeps for as long as the answer.
    private static string MediaTypeOf(HttpContentHeaders headers) =>
        headers.NonValidated.TryGetValues("Content-Type", out var values)
        && MediaTypeHeaderValue.TryParse(values.ToString(), out var type) && type.MediaType is { } name
            ? name.ToLowerInvariant()
            : "";

    private static Stream Decompress(HttpResponseMessage response, Stream body)
    {
        // Looked at before the collection is asked for, which makes one that lasts as long as the answer.
        if (!response.Content.Headers.NonValidated.Contains("Content-Encoding")) return body;
        foreach (var encoding in response.Content.Headers.ContentEncoding.Reverse())
        {
            body = encoding.ToLowerInvariant() switch
            {
                "gzip" or "x-gzip" => new GZipStream(body, CompressionMode.Decompress),
                "deflate" => new ZLibStream(body, CompressionMode.Decompress),
                "br" => new BrotliStream(body, CompressionMode.Decompress),
                "identity" => body,
                _ => throw new BackendException(BackendFailure.Malformed, "The backend's answer is compressed in a way not known here."),
            };
        }

        return body;
    }

    private static string Describe(Exception exception) => exception is HttpRequestException { HttpRequestError: var error }
        ? error switch
        {
            HttpRequestError.NameResolutionError => "The backend's name cannot be resolved.",
            HttpRequestError.ConnectionError => "The backend refuses connections.",
            HttpRequestError.SecureConnectionError => "No secure connection to the backend could be made.",
            _ => "The connection to the backend broke before an answer came.",
        }
        : "The connection to the backend broke before an answer came.";
}
