using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// An OpenAI-style upstream at the least cost: answers every request with server-sent events made beforehand, one send an
/// event, as a provider writes tokens. <c>max_tokens</c> in the request tells how many; without it the stream goes on until it
/// is closed, as its model says: <c>silent</c> after the first token, <c>wait</c> before it, <c>flow</c> with a token every
/// 200 ms.
/// </summary>
internal sealed class SseUpstream : IDisposable
{
    private static readonly byte[] Head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"u8.ToArray();

    private static readonly byte[] Token = Chunk(
        """data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"bench","choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}]}""");

    private static readonly byte[] End = [
        .. Chunk("""data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"""),
        .. Chunk("data: [DONE]"), .. "0\r\n\r\n"u8];

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    public SseUpstream()
    {
        _listener.Start(4096);
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Called with the number in an endless stream's prompt (<c>p17</c>) and the time at which its socket was seen to close.</summary>
    public Action<int, long>? Closed { get; set; }

    /// <summary>Called when an endless stream has begun.</summary>
    public Action? Begun { get; set; }

    public void Dispose() => _listener.Stop();

    private static byte[] Chunk(string line)
    {
        var bytes = Encoding.UTF8.GetBytes(line + "\n\n");
        return [.. Encoding.ASCII.GetBytes(bytes.Length.ToString("x", CultureInfo.InvariantCulture) + "\r\n"), .. bytes, .. "\r\n"u8];
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptSocketAsync());
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The benchmark is over.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var connection = socket;
        socket.NoDelay = true;
        var buffer = new byte[16 * 1024];
        try
        {
            while (await ReadRequestAsync(socket, buffer) is { } request)
            {
                var (tokens, model, number) = request;
                if (tokens == 0)
                {
                    await KeepOpenAsync(socket, model, buffer);
                    Closed?.Invoke(number, TimeProvider.System.GetTimestamp());
                    return;
                }

                await socket.SendAsync(Head);
                for (var n = 0; n < tokens; n++) await socket.SendAsync(Token);
                await socket.SendAsync(End);
            }
        }
        catch (SocketException)
        {
            // A caller that left.
        }
    }

    private async Task KeepOpenAsync(Socket socket, string model, byte[] buffer)
    {
        if (model != "wait")
        {
            await socket.SendAsync(Head);
            await socket.SendAsync(Token);
        }

        Begun?.Invoke();
        using var over = new CancellationTokenSource();
        var flowing = model == "flow" ? FlowAsync(socket, over.Token) : Task.CompletedTask;
        await WaitForCloseAsync(socket, buffer);
        await over.CancelAsync();
        await flowing;
    }

    private static async Task FlowAsync(Socket socket, CancellationToken over)
    {
        try
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(200), TimeProvider.System);
            while (await timer.WaitForNextTickAsync(over)) await socket.SendAsync(Token, over);
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException)
        {
            // Closed, which is what it goes on for.
        }
    }

    private static async Task WaitForCloseAsync(Socket socket, byte[] buffer)
    {
        try
        {
            while (await socket.ReceiveAsync(buffer) > 0)
            {
                // Nothing is expected.
            }
        }
        catch (SocketException)
        {
            // A reset closes too.
        }
    }

    private static async Task<(int Tokens, string Model, int Number)?> ReadRequestAsync(Socket socket, byte[] buffer)
    {
        var filled = 0;
        while (true)
        {
            var read = await socket.ReceiveAsync(buffer.AsMemory(filled));
            if (read == 0) return null;
            filled += read;
            var text = Encoding.ASCII.GetString(buffer, 0, filled);
            var head = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (head < 0) continue;
            var length = Number(text, "content-length:");
            if (filled < head + 4 + length) continue;
            return (Number(text, "_tokens\":"), Word(text, "\"model\":\""), Number(text, "\"p"));
        }
    }

    private static string Word(string text, string mark)
    {
        var at = text.IndexOf(mark, StringComparison.Ordinal) + mark.Length;
        return text[at..text.IndexOf('"', at)];
    }

    private static int Number(string text, string mark)
    {
        for (var at = 0; (at = text.IndexOf(mark, at, StringComparison.OrdinalIgnoreCase)) >= 0;)
        {
            at += mark.Length;
            while (text[at] == ' ') at++;
            var end = at;
            while (end < text.Length && char.IsAsciiDigit(text[end])) end++;
            if (end > at) return int.Parse(text.AsSpan(at, end - at), CultureInfo.InvariantCulture);
        }

        return 0;
    }
}
