using System.Net.Sockets;
using Grpc.Net.Client;
using GenerationClient = GrpcLlm.V1.GenerationService.GenerationServiceClient;

namespace GrpcLlm.Soak;

/// <summary>Connections of clients: some that many calls share, and for a call that drops it one of its own.</summary>
internal sealed class Connections : IDisposable
{
    private const int Shared = 4;

    private readonly Uri _address;
    private readonly GrpcChannel[] _channels;

    public Connections(Uri address)
    {
        _address = address;
        _channels = [.. Enumerable.Range(0, Shared).Select(_ => GrpcChannel.ForAddress(address, Reconnecting()))];
    }

    /// <summary>The connection of a call.</summary>
    public GenerationClient Of(int call) => new(_channels[call % Shared]);

    /// <summary>A connection that can be broken with a TCP reset.</summary>
    public (GenerationClient Client, GrpcChannel Channel, Action Drop) OpenOwn()
    {
        Socket? socket = null;
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (context, cancellationToken) =>
            {
                socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        var channel = GrpcChannel.ForAddress(_address, new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
        return (new GenerationClient(channel), channel, () => socket?.Close(0));
    }

    // By default a channel waits for a second and more before it connects again.
    private static GrpcChannelOptions Reconnecting() => new()
    {
        InitialReconnectBackoff = TimeSpan.FromMilliseconds(50), MaxReconnectBackoff = TimeSpan.FromMilliseconds(200),
    };

    public void Dispose()
    {
        foreach (var channel in _channels) channel.Dispose();
    }
}
