using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// Sends requests to one provider over a pool of connections of its own, with a key of its pool in turn. Thread-safe.
/// </summary>
internal sealed class UpstreamRequests : IDisposable
{
    private readonly Provider _provider;
    private readonly HttpBackendOptions _options;
    private readonly TimeProvider _timeProvider;
    private readonly HttpMessageInvoker _http;
    private readonly ApiKey[] _keys;
    private readonly string _base;
    private uint _turn;

    public UpstreamRequests(Provider provider, HttpBackendOptions options, TimeProvider timeProvider)
    {
        _provider = provider;
        _options = options;
        _timeProvider = timeProvider;
        _base = options.BaseUrl.TrimEnd('/') + "/";
        _keys = [.. options.ApiKeys.Select(static (source, index) => new ApiKey(source, index))];

        // An invoker, not a client: HttpClient.Timeout would cap the time to the first token.
        _http = new HttpMessageInvoker(new SocketsHttpHandler
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
            // Spans towards the upstream are the service's own.
            ActivityHeadersPropagator = null,
        });
    }

    /// <summary>Sends a generation and waits for its headers.</summary>
    /// <param name="path">Below the base URL.</param>
    /// <param name="body">JSON.</param>
    /// <param name="cancellationToken">The call's; ends the exchange in any phase.</param>
    /// <exception cref="BackendException">It failed, or the provider refused.</exception>
    public Task<UpstreamExchange> SendAsync(string path, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var exchange = new UpstreamExchange(_options, _timeProvider, cancellationToken) { EndingOf = _provider.EndingOf };
        return exchange.OpenAsync(_http, () => Request(HttpMethod.Post, path, body, exchange));
    }

    /// <summary>Asks something beside a generation and reads the whole JSON answer, at most 4 MiB.</summary>
    /// <exception cref="BackendException">It failed, or the provider refused.</exception>
    public async Task<JsonDocument> AskAsync(
        HttpMethod method, string path, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var exchange = new UpstreamExchange(_options, _timeProvider, cancellationToken);
        await using var opened = await exchange.OpenAsync(_http, () => Request(method, path, body, exchange));
        var bytes = await opened.ReadAllAsync(4 << 20);
        try
        {
            return JsonDocument.Parse(bytes);
        }
        catch (JsonException exception)
        {
            throw new BackendException(BackendFailure.Malformed, "The backend's answer is no JSON.", exception);
        }
    }

    public void Dispose() => _http.Dispose();

    private HttpRequestMessage Request(HttpMethod method, string path, ReadOnlyMemory<byte> body, UpstreamExchange exchange)
    {
        var request = new HttpRequestMessage(method, _base + path)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = _options.Http2PriorKnowledge
                ? HttpVersionPolicy.RequestVersionExact
                : HttpVersionPolicy.RequestVersionOrLower,
        };
        if (!body.IsEmpty)
        {
            request.Content = new ReadOnlyMemoryContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        // Compression would hold tokens back until a block is full. What comes compressed all the same is read.
        request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
        _provider.AddHeaders(request);
        if (_keys.Length == 0) return request;

        var key = _keys[Interlocked.Increment(ref _turn) % (uint)_keys.Length].Read();
        exchange.Secret = key;
        _provider.Authorize(request, key);
        return request;
    }
}
