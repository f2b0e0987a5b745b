using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>
/// A bare HTTP/2 client (RFC 9113) over cleartext: no automatic window updates, nothing hidden. For tests about flow
/// control, resets, header frames and trailers, where a gRPC library would hide the answer.
/// </summary>
internal sealed class RawHttp2Connection : IAsyncDisposable
{
    /// <summary>Types of frames (RFC 9113, section 6).</summary>
    public const byte DataFrame = 0;
    public const byte HeadersFrame = 1;
    public const byte PriorityFrame = 2;
    public const byte ResetFrame = 3;
    public const byte SettingsFrame = 4;
    public const byte PushPromiseFrame = 5;
    public const byte PingFrame = 6;
    public const byte GoAwayFrame = 7;
    public const byte WindowUpdateFrame = 8;
    public const byte ContinuationFrame = 9;

    /// <summary>Flags of frames.</summary>
    public const byte Acknowledge = 1;
    public const byte EndStream = 1;
    public const byte EndHeaders = 4;
    public const byte Padded = 8;

    /// <summary>Most bytes of a frame's payload, unless the server says otherwise.</summary>
    public const int MaxFrame = 16_384;

    /// <summary>What a client says first.</summary>
    public static readonly byte[] Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray();

    private readonly TcpClient _tcp = new() { NoDelay = true };
    private readonly ConcurrentDictionary<int, RawHttp2Stream> _streams = new();
    private readonly SemaphoreSlim _writing = new(1);
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<IReadOnlyDictionary<int, uint>> _settings =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private NetworkStream _network = null!;
    private Task _reading = Task.CompletedTask;
    private int _nextStream = 1;
    private int _pongs;
    private int _resets;

    private RawHttp2Connection()
    {
    }

    /// <summary>Completes when the server closed the connection.</summary>
    public Task Closed => _closed.Task;

    /// <summary>The server's SETTINGS, by their numbers.</summary>
    public Task<IReadOnlyDictionary<int, uint>> Settings => _settings.Task;

    /// <summary>Error code of a GOAWAY; null while there was none.</summary>
    public uint? GoAwayCode { get; private set; }

    /// <summary>Answers to PING so far.</summary>
    public int Pongs => Volatile.Read(ref _pongs);

    /// <summary>Streams that the server has reset so far.</summary>
    public int Resets => Volatile.Read(ref _resets);

    /// <summary>Connects.</summary>
    /// <param name="address">Where to.</param>
    /// <param name="streamWindow">Bytes the server may send on a stream before more are granted.</param>
    /// <param name="connectionWindow">Bytes it may send on the connection; at least 65,535.</param>
    public static async Task<RawHttp2Connection> ConnectAsync(
        Uri address, int streamWindow = 65_535, int connectionWindow = 1 << 20)
    {
        var connection = await ConnectSilentAsync(address);
        await connection.WriteAsync(Preface);

        // SETTINGS_HEADER_TABLE_SIZE (1) = 0, SETTINGS_INITIAL_WINDOW_SIZE (4).
        var settings = new byte[12];
        settings[1] = 1;
        settings[7] = 4;
        BinaryPrimitives.WriteInt32BigEndian(settings.AsSpan(8), streamWindow);
        await connection.WriteFrameAsync(SettingsFrame, 0, 0, settings);
        if (connectionWindow > 65_535) await connection.GrantAsync(0, connectionWindow - 65_535);
        return connection;
    }

    /// <summary>Connects and says nothing, not even the preface.</summary>
    public static async Task<RawHttp2Connection> ConnectSilentAsync(Uri address)
    {
        var connection = new RawHttp2Connection();
        await connection._tcp.ConnectAsync(IPAddress.Parse(address.Host), address.Port);
        connection._network = connection._tcp.GetStream();
        connection._reading = connection.ReadAsync();
        return connection;
    }

    /// <summary>Header fields of a gRPC call.</summary>
    /// <param name="path">For example <c>/grpcllm.v1.GenerationService/Generate</c>.</param>
    /// <param name="headers">Further ones. One whose name is there already takes its place, or with null takes it out.</param>
    public static List<(string Name, string Value)> Fields(string path, params (string Name, string? Value)[] headers)
    {
        List<(string Name, string Value)> fields =
        [
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"),
            ("content-type", "application/grpc"), ("te", "trailers"),
        ];
        foreach (var (name, value) in headers)
        {
            var place = fields.FindIndex(0, Math.Min(6, fields.Count), field => field.Name == name);
            if (value is null) fields.RemoveAt(place);
            else if (place >= 0) fields[place] = (name, value);
            else fields.Add((name, value));
        }

        return fields;
    }

    /// <summary>One gRPC message with its prefix.</summary>
    public static byte[] Message(byte[] message, byte flags = 0)
    {
        var body = new byte[message.Length + 5];
        body[0] = flags;
        BinaryPrimitives.WriteInt32BigEndian(body.AsSpan(1), message.Length);
        message.CopyTo(body, 5);
        return body;
    }

    /// <summary>Opens a stream with a gRPC request of one message.</summary>
    /// <param name="path">For example <c>/grpcllm.v1.GenerationService/Generate</c>.</param>
    /// <param name="message">The serialized message.</param>
    /// <param name="headers">Further headers.</param>
    public Task<RawHttp2Stream> CallAsync(string path, byte[] message, params (string, string)[] headers) =>
        OpenAsync(path, Message(message), headers);

    /// <summary>Opens a stream with any body.</summary>
    public Task<RawHttp2Stream> OpenAsync(string path, byte[] body, params (string, string)[] headers) =>
        OpenAsync(path, body, isWhole: true, headers);

    /// <summary>Opens a stream with any body, or the beginning of one.</summary>
    public async Task<RawHttp2Stream> OpenAsync(string path, byte[] body, bool isWhole, params (string, string)[] headers)
    {
        List<(string, string)> fields = [.. Fields(path), .. headers];
        var stream = await OpenAsync(fields, isWhole: false);
        if (body.Length > 0) await stream.SendAsync(body, isLast: false);
        if (isWhole) await stream.SendAsync([], isLast: true);
        return stream;
    }

    /// <summary>Opens a stream with any header fields.</summary>
    /// <param name="fields">Its fields, pseudo-header fields included.</param>
    /// <param name="isWhole">Whether no body follows.</param>
    public async Task<RawHttp2Stream> OpenAsync(IEnumerable<(string, string)> fields, bool isWhole)
    {
        var stream = NewStream();
        await WriteHeadersAsync(stream.Id, HpackReader.Write(fields), MaxFrame, isWhole);
        return stream;
    }

    /// <summary>Opens a stream with any header block, in one frame.</summary>
    public async Task<RawHttp2Stream> OpenRawAsync(byte[] block, byte flags = EndStream | EndHeaders)
    {
        var stream = NewStream();
        await WriteFrameAsync(HeadersFrame, flags, stream.Id, block);
        return stream;
    }

    private RawHttp2Stream NewStream()
    {
        var id = _nextStream;
        _nextStream += 2;
        return _streams[id] = new RawHttp2Stream(this, id);
    }

    // In one piece: no other frame may come between the parts of a header block.
    private Task WriteHeadersAsync(int stream, byte[] block, int frame, bool isWhole)
    {
        var frames = new List<byte>(block.Length + 64);
        for (var offset = 0; offset == 0 || offset < block.Length; offset += frame)
        {
            var isLast = block.Length - offset <= frame;
            var flags = (isLast ? EndHeaders : 0) | (isWhole && offset == 0 ? EndStream : 0);
            frames.AddRange(Frame(
                offset == 0 ? HeadersFrame : ContinuationFrame, (byte)flags, stream,
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

    /// <summary>The bytes of a frame.</summary>
    public static byte[] Frame(byte type, byte flags, int stream, ReadOnlySpan<byte> payload)
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

    /// <summary>Sends any bytes.</summary>
    public async Task WriteAsync(byte[] frames)
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

    /// <summary>Sends any bytes.</summary>
    /// <returns>Whether the server still took them.</returns>
    public async Task<bool> TryWriteAsync(byte[] frames)
    {
        try
        {
            await WriteAsync(frames);
            return true;
        }
        catch (IOException)
        {
            return false;
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
            case PingFrame when (flags & Acknowledge) != 0:
                Interlocked.Increment(ref _pongs);
                break;
            case PingFrame:
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
                Interlocked.Increment(ref _resets);
                stream?.ResetCame(BinaryPrimitives.ReadUInt32BigEndian(payload));
                break;
            // A farewell without a fault may come first; the last one tells why.
            case GoAwayFrame:
                GoAwayCode = BinaryPrimitives.ReadUInt32BigEndian(payload.AsSpan(4));
                break;
        }
    }
}
