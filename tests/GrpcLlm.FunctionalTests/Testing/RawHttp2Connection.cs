using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>
/// A bare HTTP/2 client (RFC 9113) over cleartext: no automatic window updates, nothing hidden. For tests about flow
/// control, resets, header frames and trailers, where a gRPC library would hide the answer.
/// </summary>
internal sealed class RawHttp2Connection : IAsyncDisposable
{
    private const byte DataFrame = 0;
    private const byte HeadersFrame = 1;
    private const byte ResetFrame = 3;
    private const byte SettingsFrame = 4;
    private const byte PingFrame = 6;
    private const byte GoAwayFrame = 7;
    private const byte WindowUpdateFrame = 8;
    private const byte ContinuationFrame = 9;
    private const byte Acknowledge = 1;
    private const byte EndStream = 1;
    private const byte EndHeaders = 4;

    private readonly TcpClient _tcp = new() { NoDelay = true };
    private readonly ConcurrentDictionary<int, RawHttp2Stream> _streams = new();
    private readonly SemaphoreSlim _writing = new(1);
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<IReadOnlyDictionary<int, uint>> _settings =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private NetworkStream _network = null!;
    private Task _reading = Task.CompletedTask;
    private int _nextStream = 1;

    private RawHttp2Connection()
    {
    }

    /// <summary>Completes when the server closed the connection.</summary>
    public Task Closed => _closed.Task;

    /// <summary>The server's SETTINGS, by their numbers.</summary>
    public Task<IReadOnlyDictionary<int, uint>> Settings => _settings.Task;

    /// <summary>Error code of a GOAWAY; null while there was none.</summary>
    public uint? GoAwayCode { get; private set; }

    /// <summary>Connects.</summary>
    /// <param name="address">Where to.</param>
    /// <param name="streamWindow">Bytes the server may send on a stream before more are granted.</param>
    /// <param name="connectionWindow">Bytes it may send on the connection; at least 65,535.</param>
    public static async Task<RawHttp2Connection> ConnectAsync(
        Uri address, int streamWindow = 65_535, int connectionWindow = 1 << 20)
    {
        var connection = new RawHttp2Connection();
        await connection._tcp.ConnectAsync(IPAddress.Parse(address.Host), address.Port);
        connection._network = connection._tcp.GetStream();
        await connection._network.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());

        // SETTINGS_HEADER_TABLE_SIZE (1) = 0, SETTINGS_INITIAL_WINDOW_SIZE (4).
        var settings = new byte[12];
        settings[1] = 1;
        settings[7] = 4;
        BinaryPrimitives.WriteInt32BigEndian(settings.AsSpan(8), streamWindow);
        await connection.WriteFrameAsync(SettingsFrame, 0, 0, settings);
        if (connectionWindow > 65_535) await connection.GrantAsync(0, connectionWindow - 65_535);
        connection._reading = connection.ReadAsync();
        return connection;
    }

    /// <summary>Opens a stream with a gRPC request of one message.</summary>
    /// <param name="path">For example <c>/grpcllm.v1.GenerationService/Generate</c>.</param>
    /// <param name="message">The serialized message.</param>
    /// <param name="headers">Further headers.</param>
    public Task<RawHttp2Stream> CallAsync(string path, byte[] message, params (string, string)[] headers)
    {
        var body = new byte[message.Length + 5];
        BinaryPrimitives.WriteInt32BigEndian(body.AsSpan(1), message.Length);
        message.CopyTo(body, 5);
        return OpenAsync(path, body, headers);
    }

    /// <summary>Opens a stream with any body.</summary>
    public Task<RawHttp2Stream> OpenAsync(string path, byte[] body, params (string, string)[] headers) =>
        OpenAsync(path, body, isWhole: true, headers);

    /// <summary>Opens a stream with any body, or the beginning of one.</summary>
    public async Task<RawHttp2Stream> OpenAsync(string path, byte[] body, bool isWhole, params (string, string)[] headers)
    {
        (string, string)[] fields =
        [
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"),
            ("content-type", "application/grpc"), ("te", "trailers"), .. headers,
        ];
        var id = _nextStream;
        _nextStream += 2;
        var stream = _streams[id] = new RawHttp2Stream(this, id);
        const int frame = 16_384;
        await WriteHeadersAsync(id, HpackReader.Write(fields), frame);
        for (var offset = 0; offset < body.Length; offset += frame)
            await WriteFrameAsync(DataFrame, 0, id, body.AsMemory(offset, Math.Min(frame, body.Length - offset)));
        if (isWhole) await WriteFrameAsync(DataFrame, EndStream, id, ReadOnlyMemory<byte>.Empty);
        return stream;
    }

    // In one piece: no other frame may come between the parts of a header block.
    private Task WriteHeadersAsync(int stream, byte[] block, int frame)
    {
        var frames = new List<byte>(block.Length + 64);
        for (var offset = 0; offset == 0 || offset < block.Length; offset += frame)
        {
            var isLast = block.Length - offset <= frame;
            frames.AddRange(Frame(
                offset == 0 ? HeadersFrame : ContinuationFrame, isLast ? EndHeaders : (byte)0, stream,
                block.AsSpan(offset, Math.Min(frame, block.Length - offset))));
        }

        return WriteAsync(frames.ToArray());
    }

    public Task GrantAsync(int stream, int bytes)
    {
        var payload = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(payload, bytes);
        return WriteFrameAsync(WindowUpdateFrame, 0, stream, payload);
    }

    public Task ResetAsync(int stream, uint code)
    {
        var payload = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(payload, code);
        return WriteFrameAsync(ResetFrame, 0, stream, payload);
    }

    public Task WriteFrameAsync(byte type, byte flags, int stream, ReadOnlyMemory<byte> payload) =>
        WriteAsync(Frame(type, flags, stream, payload.Span));

    private static byte[] Frame(byte type, byte flags, int stream, ReadOnlySpan<byte> payload)
    {
        var frame = new byte[9 + payload.Length];
        frame[0] = (byte)(payload.Length >> 16);
        frame[1] = (byte)(payload.Length >> 8);
        frame[2] = (byte)payload.Length;
        frame[3] = type;
        frame[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame.AsSpan(9));
        return frame;
    }

    private async Task WriteAsync(byte[] frames)
    {
        await _writing.WaitAsync();
        try
        {
            await _network.WriteAsync(frames);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Breaks the connection without a word.</summary>
    public void Abort() => _tcp.Client.Close(0);

    public async ValueTask DisposeAsync()
    {
        _tcp.Dispose();
        await _reading;
        _writing.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            var header = new byte[9];
            var block = new List<byte>();
            while (true)
            {
                await _network.ReadExactlyAsync(header);
                var payload = new byte[(header[0] << 16) | (header[1] << 8) | header[2]];
                await _network.ReadExactlyAsync(payload);
                await HandleAsync(
                    header[3], header[4], BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(5)), payload, block);
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or SocketException)
        {
            foreach (var stream in _streams.Values) stream.ConnectionClosed(exception);
            _closed.TrySetResult();
        }
    }

    private async Task HandleAsync(byte type, byte flags, int id, byte[] payload, List<byte> block)
    {
        var stream = _streams.GetValueOrDefault(id);
        switch (type)
        {
            case SettingsFrame when (flags & Acknowledge) == 0:
                _settings.TrySetResult(Enumerable.Range(0, payload.Length / 6).ToDictionary(
                    index => (int)BinaryPrimitives.ReadUInt16BigEndian(payload.AsSpan(6 * index)),
                    index => BinaryPrimitives.ReadUInt32BigEndian(payload.AsSpan((6 * index) + 2))));
                await WriteFrameAsync(SettingsFrame, Acknowledge, 0, ReadOnlyMemory<byte>.Empty);
                break;
            case PingFrame when (flags & Acknowledge) == 0:
                await WriteFrameAsync(PingFrame, Acknowledge, 0, payload);
                break;
            case HeadersFrame or ContinuationFrame:
                block.AddRange(payload);
                stream?.NoteEndStream((flags & EndStream) != 0 && type == HeadersFrame);
                if ((flags & EndHeaders) == 0) break;
                stream?.HeadersCame(HpackReader.Read(block.ToArray()));
                block.Clear();
                break;
            case DataFrame:
                stream?.DataCame(payload, (flags & EndStream) != 0);
                break;
            case ResetFrame:
                stream?.ResetCame(BinaryPrimitives.ReadUInt32BigEndian(payload));
                break;
            case GoAwayFrame:
                GoAwayCode = BinaryPrimitives.ReadUInt32BigEndian(payload.AsSpan(4));
                break;
        }
    }
}

/// <summary>One stream of a <see cref="RawHttp2Connection"/>.</summary>
internal sealed class RawHttp2Stream(RawHttp2Connection connection, int id)
{
    private readonly Channel<byte[]> _messages = Channel.CreateUnbounded<byte[]>();
    private readonly TaskCompletionSource<List<(string, string)>> _headers = NewSignal<List<(string, string)>>();
    private readonly TaskCompletionSource<List<(string, string)>> _trailers = NewSignal<List<(string, string)>>();
    private readonly TaskCompletionSource<uint> _reset = NewSignal<uint>();
    private readonly List<byte> _partial = [];
    private bool _endStream;
    private int _received;

    /// <summary>Bytes of DATA so far.</summary>
    public int ReceivedBytes => Volatile.Read(ref _received);

    /// <summary>The response headers; those of a Trailers-Only answer too.</summary>
    public Task<List<(string Name, string Value)>> Headers => _headers.Task!;

    /// <summary>The trailers: the header block that ends the stream.</summary>
    public Task<List<(string Name, string Value)>> Trailers => _trailers.Task!;

    /// <summary>Code of the RST_STREAM that came.</summary>
    public Task<uint> Reset => _reset.Task;

    /// <summary>Whether the answer was a single header block.</summary>
    public bool IsTrailersOnly { get; private set; }

    /// <summary>The messages as they come; ends with the stream.</summary>
    public IAsyncEnumerable<byte[]> Messages => _messages.Reader.ReadAllAsync();

    /// <summary>The next message.</summary>
    public ValueTask<byte[]> NextAsync() => _messages.Reader.ReadAsync();

    public Task GrantAsync(int bytes) => connection.GrantAsync(id, bytes);

    public Task ResetAsync(uint code = 8) => connection.ResetAsync(id, code);

    public void NoteEndStream(bool endStream) => _endStream |= endStream;

    public void HeadersCame(List<(string, string)> fields)
    {
        var first = _headers.TrySetResult(fields);
        if (!_endStream) return;
        IsTrailersOnly = first;
        _trailers.TrySetResult(fields);
        _messages.Writer.TryComplete();
    }

    public void DataCame(byte[] data, bool endStream)
    {
        Interlocked.Add(ref _received, data.Length);
        _partial.AddRange(data);
        while (_partial.Count >= 5)
        {
            var length = (_partial[1] << 24) | (_partial[2] << 16) | (_partial[3] << 8) | _partial[4];
            if (_partial.Count < 5 + length) break;
            _messages.Writer.TryWrite([.. _partial.Skip(5).Take(length)]);
            _partial.RemoveRange(0, 5 + length);
        }

        if (endStream) _messages.Writer.TryComplete();
    }

    public void ResetCame(uint code)
    {
        _reset.TrySetResult(code);
        _messages.Writer.TryComplete(new IOException($"The stream was reset with code {code}."));
    }

    public void ConnectionClosed(Exception exception)
    {
        _messages.Writer.TryComplete(exception);
        _headers.TrySetException(exception);
        _trailers.TrySetException(exception);
        _ = _headers.Task.Exception;
        _ = _trailers.Task.Exception;
    }

    private static TaskCompletionSource<T> NewSignal<T>() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
