namespace Grpc.Core;

/// <summary>One call, as its handler sees it. Not safe for use from several threads at once.</summary>
public abstract class ServerCallContext
{
    private Dictionary<object, object>? _userState;

    /// <summary>The path of the method: <c>/service/method</c>.</summary>
    public string Method => MethodCore;

    /// <summary>The host the client asked for.</summary>
    public string Host => HostCore;

    /// <summary>The client's address, for example <c>ipv4:127.0.0.1:5000</c>.</summary>
    public string Peer => PeerCore;

    /// <summary>When the call must be done, in UTC.</summary>
    /// <value><see cref="DateTime.MaxValue"/> where the client set none.</value>
    public DateTime Deadline => DeadlineCore;

    /// <summary>The headers the client sent.</summary>
    public Metadata RequestHeaders => RequestHeadersCore;

    /// <summary>Cancelled when the client cancels or goes away and when the deadline passes.</summary>
    public CancellationToken CancellationToken => CancellationTokenCore;

    /// <summary>The trailers to send when the handler is done; add to them.</summary>
    public Metadata ResponseTrailers => ResponseTrailersCore;

    /// <summary>
    /// The status to end with if the handler returns normally. An exception from the handler takes its place.
    /// </summary>
    /// <value><see cref="StatusCode.OK"/> by default.</value>
    public Status Status
    {
        get => StatusCore;
        set => StatusCore = value;
    }

    /// <summary>How the next responses are written, or null for the default.</summary>
    public WriteOptions? WriteOptions
    {
        get => WriteOptionsCore;
        set => WriteOptionsCore = value;
    }

    /// <summary>Who the client is, as the transport proved it.</summary>
    public AuthContext AuthContext => AuthContextCore;

    /// <summary>A place for interceptors and the handler to leave things for each other during this call.</summary>
    public IDictionary<object, object> UserState => UserStateCore;

    /// <summary><see cref="Method"/>, from the implementation.</summary>
    protected abstract string MethodCore { get; }

    /// <summary><see cref="Host"/>, from the implementation.</summary>
    protected abstract string HostCore { get; }

    /// <summary><see cref="Peer"/>, from the implementation.</summary>
    protected abstract string PeerCore { get; }

    /// <summary><see cref="Deadline"/>, from the implementation.</summary>
    protected abstract DateTime DeadlineCore { get; }

    /// <summary><see cref="RequestHeaders"/>, from the implementation.</summary>
    protected abstract Metadata RequestHeadersCore { get; }

    /// <summary><see cref="CancellationToken"/>, from the implementation.</summary>
    protected abstract CancellationToken CancellationTokenCore { get; }

    /// <summary><see cref="ResponseTrailers"/>, from the implementation.</summary>
    protected abstract Metadata ResponseTrailersCore { get; }

    /// <summary><see cref="Status"/>, from the implementation.</summary>
    protected abstract Status StatusCore { get; set; }

    /// <summary><see cref="WriteOptions"/>, from the implementation.</summary>
    protected abstract WriteOptions? WriteOptionsCore { get; set; }

    /// <summary><see cref="AuthContext"/>, from the implementation.</summary>
    protected abstract AuthContext AuthContextCore { get; }

    /// <summary><see cref="UserState"/>, from the implementation.</summary>
    /// <value>A dictionary made on first use, unless overridden.</value>
    protected virtual IDictionary<object, object> UserStateCore => _userState ??= [];

    /// <summary>Sends the response headers now, before the first response. At most once.</summary>
    /// <param name="responseHeaders">The headers.</param>
    /// <returns>Done when they have been sent.</returns>
    public Task WriteResponseHeadersAsync(Metadata responseHeaders) => WriteResponseHeadersAsyncCore(responseHeaders);

    /// <summary>Makes a token that passes this call's deadline and cancellation on to a client call.</summary>
    /// <param name="options">What to pass on; everything if null.</param>
    /// <returns>The token.</returns>
    public ContextPropagationToken CreatePropagationToken(ContextPropagationOptions? options = null) =>
        CreatePropagationTokenCore(options);

    /// <summary><see cref="WriteResponseHeadersAsync"/>, from the implementation.</summary>
    /// <param name="responseHeaders">The headers.</param>
    /// <returns>Done when they have been sent.</returns>
    protected abstract Task WriteResponseHeadersAsyncCore(Metadata responseHeaders);

    /// <summary><see cref="CreatePropagationToken"/>, from the implementation.</summary>
    /// <param name="options">What to pass on; everything if null.</param>
    /// <returns>The token.</returns>
    protected abstract ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options);
}
