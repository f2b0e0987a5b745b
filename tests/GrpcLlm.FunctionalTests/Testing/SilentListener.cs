using System.Net;
using System.Net.Sockets;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>Takes one connection and never says a word, so that a TLS handshake never ends.</summary>
internal sealed class SilentListener : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly TaskCompletionSource _accepted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _serving;
    private TcpClient? _client;

    public SilentListener()
    {
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _serving = ServeAsync();
    }

    public int Port { get; }

    /// <summary>Completes when somebody connected.</summary>
    public Task Accepted => _accepted.Task;

    /// <summary>Completes when they left.</summary>
    public Task Closed => _closed.Task;

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        _client?.Dispose();
        await _serving;
    }

    private async Task ServeAsync()
    {
        try
        {
            using var client = _client = await _listener.AcceptTcpClientAsync();
            _accepted.TrySetResult();
            var buffer = new byte[4096];
            while (await client.GetStream().ReadAsync(buffer) > 0)
            {
                // The other side's greeting; there is no answer.
            }
        }
        catch (Exception exception) when (exception is IOException or SocketException or ObjectDisposedException)
        {
            // Left without a good-bye, or nobody came.
        }

        _closed.TrySetResult();
    }
}
