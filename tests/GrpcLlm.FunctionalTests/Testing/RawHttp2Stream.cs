using System.Threading.Channels;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>One stream of a <see cref="RawHttp2Connection"/>.</summary>
internal sealed class RawHttp2Stream(RawHttp2Connection connection, int id)
{
    private readonly Channel<byte[]> _messages = Channel.CreateUnbounded<byte[]>();
    private readonly TaskCompletionSource<List<(string, string)>> _headers = NewSignal<List<(string, string)>>();
    private readonly TaskCompletionSource<List<(string, string)>> _trailers = NewSignal<List<(string, string)>>();
    private readonly TaskCompletionSource<uint> _reset = NewSignal<uint>();
    private readonly TaskCompletionSource<RawAnswer> _ended = NewSignal<RawAnswer>();
    private readonly List<RawMessage> _whole = [];
    private readonly List<byte> _partial = [];
    private List<(string, string)> _firstBlock = [];
    private List<(string, string)> _lastBlock = [];
    private bool _endStream;
    private int _received;

    /// <summary>Its number on the connection.</summary>
    public int Id => id;

    /// <summary>Bytes of DATA so far.</summary>
    public int ReceivedBytes => Volatile.Read(ref _received);

    /// <summary>The response headers; those of a Trailers-Only answer too.</summary>
    public Task<List<(string Name, string Value)>> Headers => _headers.Task!;

    /// <summary>The trailers: the header block that ends the stream.</summary>
    public Task<List<(string Name, string Value)>> Trailers => _trailers.Task!;

    /// <summary>Code of the RST_STREAM that came.</summary>
    public Task<uint> Reset => _reset.Task;

    /// <summary>Everything, once the stream is over, in whichever way.</summary>
    public Task<RawAnswer> Ended => _ended.Task;

    /// <summary>Whether the answer was a single header block.</summary>
    public bool IsTrailersOnly { get; private set; }

    /// <summary>The messages as they come; ends with the stream.</summary>
    public IAsyncEnumerable<byte[]> Messages => _messages.Reader.ReadAllAsync();

    /// <summary>The next message.</summary>
    public ValueTask<byte[]> NextAsync() => _messages.Reader.ReadAsync();

    public Task GrantAsync(int bytes) => connection.GrantAsync(id, bytes);

    public Task ResetAsync(uint code = 8) => connection.ResetAsync(id, code);

    /// <summary>Sends a part of the body, in frames of a given size.</summary>
    public async Task SendAsync(byte[] body, bool isLast, int frame = RawHttp2Connection.MaxFrame)
    {
        for (var offset = 0; offset == 0 || offset < body.Length; offset += frame)
        {
            var length = Math.Min(frame, body.Length - offset);
            var ends = isLast && offset + length == body.Length;
            await connection.WriteFrameAsync(
                RawHttp2Connection.DataFrame, ends ? RawHttp2Connection.EndStream : (byte)0, id, body.AsMemory(offset, length));
        }
    }

    public void NoteEndStream(bool endStream) => _endStream |= endStream;

    public void HeadersCame(List<(string, string)> fields)
    {
        var first = _headers.TrySetResult(fields);
        if (first) _firstBlock = fields;
        if (!_endStream) return;
        _lastBlock = fields;
        IsTrailersOnly = first;
        _trailers.TrySetResult(fields);
        End();
    }

    public void DataCame(byte[] data, bool endStream)
    {
        Interlocked.Add(ref _received, data.Length);
        _partial.AddRange(data);
        while (_partial.Count >= 5)
        {
            var length = (_partial[1] << 24) | (_partial[2] << 16) | (_partial[3] << 8) | _partial[4];
            if (_partial.Count < 5 + length) break;
            byte[] message = [.. _partial.Skip(5).Take(length)];
            _whole.Add(new RawMessage(_partial[0], message));
            _messages.Writer.TryWrite(message);
            _partial.RemoveRange(0, 5 + length);
        }

        if (endStream) End();
    }

    public void ResetCame(uint code)
    {
        _reset.TrySetResult(code);
        var exception = new IOException($"The stream was reset with code {code}.");
        _messages.Writer.TryComplete(exception);
        Fail(exception);
        End(code);
    }

    public void ConnectionClosed(Exception exception)
    {
        _messages.Writer.TryComplete(exception);
        Fail(exception);
        _ended.TrySetException(exception);
        _ = _ended.Task.Exception;
    }

    private void Fail(Exception exception)
    {
        _headers.TrySetException(exception);
        _trailers.TrySetException(exception);
        _ = _headers.Task.Exception;
        _ = _trailers.Task.Exception;
    }

    private void End(uint? reset = null)
    {
        _messages.Writer.TryComplete();
        _ended.TrySetResult(new RawAnswer(_firstBlock, _whole, _lastBlock, IsTrailersOnly, reset));
    }

    private static TaskCompletionSource<T> NewSignal<T>() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
