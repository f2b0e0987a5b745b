namespace Grpc.Core;

/// <summary>
/// The parts that the four call objects share. Callbacks get the state they were made with, so that a transport needs
/// no closure per call.
/// </summary>
internal readonly struct CallState(
    Func<object, Task<Metadata>> responseHeaders,
    Func<object, Status> status,
    Func<object, Metadata> trailers,
    Action<object> dispose,
    object state)
{
    /// <summary>For callers whose callbacks take no state.</summary>
    public CallState(Task<Metadata> responseHeaders, Func<Status> status, Func<Metadata> trailers, Action dispose)
        : this(
            static state => ((Closures)state).ResponseHeaders,
            static state => ((Closures)state).Status(),
            static state => ((Closures)state).Trailers(),
            static state => ((Closures)state).Dispose(),
            new Closures(responseHeaders, status, trailers, dispose))
    {
    }

    public Task<Metadata> GetResponseHeaders() => responseHeaders(state);

    public Status GetStatus() => status(state);

    public Metadata GetTrailers() => trailers(state);

    public void Dispose() => dispose(state);

    private sealed record Closures(
        Task<Metadata> ResponseHeaders,
        Func<Status> Status,
        Func<Metadata> Trailers,
        Action Dispose);
}
