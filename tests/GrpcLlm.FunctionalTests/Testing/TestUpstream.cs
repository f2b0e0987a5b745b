using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>
/// A provider made by a test: bare HTTP/1.1 on a real socket of this machine, so that it can split, stall, reset and lie.
/// Each request goes to the handler; connections are kept as the handler leaves them.
/// </summary>
internal sealed class TestUpstream : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<UpstreamCall, Task> _handle;
    private readonly Channel<UpstreamCall> _calls = Channel.CreateUnbounded<UpstreamCall>();
    private readonly List<Task> _connections = [];
    private Task _accepting = Task.CompletedTask;
    private int _accepted;

    private TestUpstream(Func<UpstreamCall, Task> handle) => _handle = handle;

    /// <summary>Base URL.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Connections that were accepted so far.</summary>
    public int Connections => Volatile.Read(ref _accepted);

    /// <summary>Starts to listen.</summary>
    public static TestUpstream Start(Func<UpstreamCall, Task> handle)
    {
        var upstream = new TestUpstream(handle);
        upstream._listener.Start(1024);
        upstream.Address = new Uri($"http://127.0.0.1:{((IPEndPoint)upstream._listener.LocalEndpoint).Port}");
        upstream._accepting = upstream.AcceptAsync();
        return upstream;
    }

    /// <summary>Answers every request with a whole body.</summary>
    public static TestUpstream Of(string body, string contentType = "text/event-stream", int status = 200, params (string, string)[] headers) =>
        Start(async call =>
        {
            await call.HeadAsync(status, contentType, headers);
            await call.WriteAsync(body);
            await call.EndAsync();
        });

    /// <summary>The next request that came.</summary>
    public ValueTask<UpstreamCall> NextCallAsync() => _calls.Reader.ReadAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        Task[] connections;
        lock (_connections) connections = [.. _connections];
        await Task.WhenAll(connections);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                Interlocked.Increment(ref _accepted);
                lock (_connections) _connections.Add(ServeAsync(client));
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException)
        {
            // The upstream stopped.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var connection = client;
        client.NoDelay = true;
        await using var stop = _stop.Token.Register(static state => ((TcpClient)state!).Dispose(), client);
        try
        {
            while (await UpstreamCall.ReadAsync(client) is { } call)
            {
                _calls.Writer.TryWrite(call);
                await _handle(call);
                if (!call.KeepsConnection) return;
                await call.NextAsync();
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or SocketException or InvalidOperationException or OperationCanceledException)
        {
            // The other side left, which is what most tests are about.
        }
    }
}

/// <summary>One request that a <see cref="TestUpstream"/> received, and the means to answer it.</summary>
internal sealed class UpstreamCall
{
    private readonly TcpClient _client;
    private readonly NetworkStream _network;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _watching = Task.CompletedTask;
    private bool _chunked;

    private UpstreamCall(TcpClient client)
    {
        _client = client;
        _network = client.GetStream();
    }

    public string Method { get; private set; } = "";

    /// <summary>Path and query.</summary>
    public string Path { get; private set; } = "";

    /// <summary>Request headers, names in lower case.</summary>
    public Dictionary<string, string> Headers { get; } = [];

    public byte[] Body { get; private set; } = [];

    public string BodyText => Encoding.UTF8.GetString(Body);

    /// <summary>Completes when the other side closed the connection before the answer was complete.</summary>
    public Task Closed => _closed.Task;

    /// <summary>Whether the answer was ended properly.</summary>
    public bool KeepsConnection => _ended.Task.IsCompleted;

    /// <summary>Sends the head of an answer; its body follows in HTTP chunks.</summary>
    public Task HeadAsync(int status = 200, string contentType = "text/event-stream", params (string Name, string Value)[] headers)
    {
        _chunked = true;
        var head = new StringBuilder($"HTTP/1.1 {status} Test\r\nTransfer-Encoding: chunked\r\n");
        if (contentType.Length > 0) head.Append(CultureInfo.InvariantCulture, $"Content-Type: {contentType}\r\n");
        foreach (var (name, value) in headers) head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        return RawAsync(Encoding.UTF8.GetBytes(head.Append("\r\n").ToString()));
    }

    /// <summary>Sends a piece of the body.</summary>
    public Task WriteAsync(string text) => WriteAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>Sends a piece of the body, as one HTTP chunk.</summary>
    public Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.IsEmpty) return Task.CompletedTask;
        if (!_chunked) return RawAsync(bytes);
        byte[] chunk = [.. Encoding.ASCII.GetBytes($"{bytes.Length:x}\r\n"), .. bytes.Span, .. "\r\n"u8];
        return RawAsync(chunk);
    }

    /// <summary>Ends the body properly; the connection can be used again.</summary>
    public async Task EndAsync()
    {
        if (_chunked) await RawAsync("0\r\n\r\n"u8.ToArray());
        _ended.TrySetResult();
    }

    /// <summary>Sends bytes as they are.</summary>
    public async Task RawAsync(ReadOnlyMemory<byte> bytes) => await _network.WriteAsync(bytes);

    /// <summary>Breaks the connection with a TCP reset.</summary>
    public void Reset() => _client.Client.Close(0);

    /// <summary>Says nothing more until the other side leaves.</summary>
    public Task SilenceAsync() => Closed;

    internal Task NextAsync() => _watching;

    /// <summary>Reads a request; null if the connection was closed before one came.</summary>
    internal static async Task<UpstreamCall?> ReadAsync(TcpClient client)
    {
        var call = new UpstreamCall(client);
        var head = new List<byte>();
        var one = new byte[1];
        while (!EndsWithBlankLine(head))
        {
            if (await call._network.ReadAsync(one) == 0) return null;
            head.Add(one[0]);
        }

        var lines = Encoding.UTF8.GetString([.. head]).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var first = lines[0].Split(' ');
        call.Method = first[0];
        call.Path = first[1];
        foreach (var line in lines.Skip(1))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            call.Headers[line[..colon].ToLowerInvariant()] = line[(colon + 1)..].Trim();
        }

        if (call.Headers.TryGetValue("content-length", out var length))
        {
            call.Body = new byte[int.Parse(length, CultureInfo.InvariantCulture)];
            await call._network.ReadExactlyAsync(call.Body);
        }

        call._watching = call.WatchAsync();
        return call;
    }

    /// <summary>Notices that the other side leaves while it is being answered, without taking bytes of a next request.</summary>
    private async Task WatchAsync()
    {
        try
        {
            var peek = new byte[1];
            if (await _client.Client.ReceiveAsync(peek, SocketFlags.Peek) > 0) return;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // A reset is a way of leaving too.
        }

        _closed.TrySetResult();
    }

    private static bool EndsWithBlankLine(List<byte> head) =>
        head.Count >= 4 && head[^4] == '\r' && head[^3] == '\n' && head[^2] == '\r' && head[^1] == '\n';
}
