using System.Net;
using System.Text.Json;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// Sends requests to one provider with one of its keys. Thread-safe.
/// </summary>
/// <param name="http">The provider's connections; belongs to the backend.</param>
/// <param name="provider">What is particular to its kind.</param>
/// <param name="options">Settings of the backend.</param>
/// <param name="key">Key to send; null: none is configured.</param>
/// <param name="timeProvider">Clock of the timeouts.</param>
internal sealed class UpstreamRequests(
    HttpMessageInvoker http, Provider provider, HttpBackendOptions options, ApiKey? key, TimeProvider timeProvider)
{
    private readonly string _base = options.BaseUrl.TrimEnd('/') + "/";

    private readonly Func<int, JsonElement, BackendEnding?> _endingOf = provider.EndingOf;

    // Most backends have one path for all generations; a request holds on to its address for as long as its answer streams.
    private Address? _lastAddress;

    /// <summary>The key that is sent.</summary>
    public ApiKey? Key => key;

    /// <summary>Makes the pool of connections of one backend.</summary>
    // An invoker, not a client: HttpClient.Timeout would cap the time to the first token.
    public static HttpMessageInvoker Connect(HttpBackendOptions options) => new(new SocketsHttpHandler
    {
        ConnectTimeout = options.ConnectTimeout,
        PooledConnectionLifetime = TimeSpan.FromMinutes(10),
        EnableMultipleHttp2Connections = true,
        KeepAlivePingDelay = TimeSpan.FromSeconds(30),
        KeepAlivePingTimeout = TimeSpan.FromSeconds(20),
        // A redirect would carry prompt and key to a place that nobody configured.
        AllowAutoRedirect = false,
        UseCookies = false,
        // Disposing an unfinished answer must close it at once, not read on to use the connection again.
        MaxResponseDrainSize = 0,
        ActivityHeadersPropagator = new UpstreamPropagator(),
    });

    /// <summary>Begins the exchange of a generation: its time runs, nothing is sent yet. Dispose it, whatever its end.</summary>
    /// <param name="cancellationToken">The call's; ends the exchange in any phase.</param>
    public UpstreamExchange Begin(CancellationToken cancellationToken) =>
        new(options, timeProvider, cancellationToken) { EndingOf = _endingOf };

    /// <summary>Sends a generation and waits for its headers.</summary>
    /// <param name="exchange">As <see cref="Begin"/> made it.</param>
    /// <param name="path">Below the base URL.</param>
    /// <param name="body">JSON; disposed here.</param>
    /// <returns>False: the call was told to stop.</returns>
    /// <exception cref="BackendException">It failed, or the provider refused.</exception>
    public Task<bool> SendAsync(UpstreamExchange exchange, string path, RequestBody body) =>
        exchange.OpenAsync(http, Request(HttpMethod.Post, path, body, exchange));

    /// <summary>Asks something beside a generation and reads the whole JSON answer, at most 4 MiB.</summary>
    /// <param name="method">HTTP method.</param>
    /// <param name="path">Below the base URL.</param>
    /// <param name="body">JSON; empty: none.</param>
    /// <param name="read">Takes from the answer what is wanted; the document is gone afterwards.</param>
    /// <param name="cancellationToken">Ends the asking.</param>
    /// <exception cref="BackendException">It failed, or the provider refused.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<T> AskAsync<T>(
        HttpMethod method, string path, ReadOnlyMemory<byte> body, Func<JsonElement, T> read, CancellationToken cancellationToken)
    {
        await using var exchange = new UpstreamExchange(options, timeProvider, cancellationToken);
        using var content = body.IsEmpty ? null : new ReadOnlyMemoryContent(body);
        content?.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        if (!await exchange.OpenAsync(http, Request(method, path, content, exchange))) throw new OperationCanceledException(cancellationToken);
        var bytes = await exchange.ReadAllAsync(4 << 20);
        try
        {
            using var document = JsonDocument.Parse(bytes);
            return read(document.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // InvalidOperationException is what JsonElement says of a name with half a surrogate pair.
            throw new BackendException(BackendFailure.Malformed, "The backend's answer is no JSON.", exception);
        }
    }

    private HttpRequestMessage Request(HttpMethod method, string path, HttpContent? content, UpstreamExchange exchange)
    {
        var request = new HttpRequestMessage(method, AddressOf(path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = options.Http2PriorKnowledge
                ? HttpVersionPolicy.RequestVersionExact
                : HttpVersionPolicy.RequestVersionOrLower,
            Content = content,
        };

        // Compression would hold tokens back until a block is full. What comes compressed all the same is read.
        request.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
        provider.AddHeaders(request);
        if (key is null) return request;

        var secret = key.Read();
        exchange.Secret = secret;
        provider.Authorize(request, secret);
        return request;
    }

    private Uri AddressOf(string path)
    {
        if (_lastAddress is { } last && last.Path == path) return last.Uri;
        var uri = new Uri(_base + path);
        _lastAddress = new Address(path, uri);
        return uri;
    }

    private sealed record Address(string Path, Uri Uri);
}
