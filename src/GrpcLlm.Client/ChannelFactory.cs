using Grpc.Net.Client;

namespace GrpcLlm.Client;

/// <summary>Channels for streams that last minutes and are silent for long stretches. Stateless and thread-safe.</summary>
internal static class ChannelFactory
{
    /// <summary>
    /// Wait before a lost connection is tried again for the first time; until then calls fail at once, retries too. gRPC's
    /// default of one second would make all retries of a call fail so.
    /// </summary>
    private static readonly TimeSpan InitialReconnectBackoff = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// Longest wait before a lost connection is tried again. gRPC's default of two minutes would keep a client from a
    /// server that restarted long ago.
    /// </summary>
    private static readonly TimeSpan MaxReconnectBackoff = TimeSpan.FromSeconds(5);

    public static GrpcChannel Create(Uri address, GrpcLlmClientOptions options)
    {
        // The channel disposes the handler, see DisposeHttpClient.
#pragma warning disable CA2000
        var handler = new SocketsHttpHandler
#pragma warning restore CA2000
        {
            // A server allows a limited number of streams per connection; further calls would wait for a free one.
            EnableMultipleHttp2Connections = options.EnableMultipleHttp2Connections,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            KeepAlivePingDelay = options.KeepAlivePingDelay,
            KeepAlivePingTimeout = options.KeepAlivePingTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.Always,
            ConnectTimeout = options.ConnectTimeout,

            // A forward proxy speaks HTTP/1.1 where there is no TLS to tunnel, and gRPC needs HTTP/2.
            UseProxy = address.Scheme is "https",
        };
        options.ConfigureHandler?.Invoke(handler);

        // With a handler instead of an HttpClient there is no HttpClient.Timeout, whose 100 s would end long streams.
        return GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = options.MaxReceiveMessageSize,
            InitialReconnectBackoff = InitialReconnectBackoff,
            MaxReconnectBackoff = MaxReconnectBackoff,
            LoggerFactory = options.LoggerFactory,
        });
    }
}
