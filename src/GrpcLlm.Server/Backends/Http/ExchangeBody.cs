using System.Runtime.CompilerServices;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// The body of an exchange as a stream to parse. Ends with two line feeds of its own, so that a last event whose blank
/// line the provider forgot is read too, and bounds the bytes of one event. Read-only; not thread-safe.
/// </summary>
internal sealed class ExchangeBody(UpstreamExchange exchange) : Stream
{
    private bool _ended;
    private int _lineFeedsLeft = 2;

    /// <summary>
    /// What ended the body before its time. Kept instead of thrown where <see cref="KeepsFailure"/>: a failure that is
    /// thrown through a parser costs a rethrow a frame, and many streams may break at once.
    /// </summary>
    public BackendException? Failure { get; private set; }

    /// <summary>Whether a failure ends the stream quietly and is left in <see cref="Failure"/>.</summary>
    public bool KeepsFailure { get; set; }

    /// <summary>Bytes since the last event; reset by whoever counts events.</summary>
    public int EventBytes { get; set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_ended) return EndLine(buffer.Span);
        int read;
        try
        {
            read = await exchange.ReadAsync(buffer);
        }
        catch (BackendException exception) when (KeepsFailure)
        {
            Failure = exception;
            _ended = true;
            _lineFeedsLeft = 0;
            return 0;
        }

        if (read > 0)
        {
            EventBytes += read;
            return EventBytes <= UpstreamEvents.MaxEventBytes
                ? read
                : throw new BackendException(BackendFailure.Malformed, "The backend sent an event that is too large.");
        }

        // A stop is no end: what it cuts off is not to be taken for whole.
        _ended = true;
        if (exchange.IsStopped) _lineFeedsLeft = 0;
        return EndLine(buffer.Span);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <summary>The line feeds of the end, as many as there is room for: a parser may ask for a single byte.</summary>
    private int EndLine(Span<byte> buffer)
    {
        var count = Math.Min(_lineFeedsLeft, buffer.Length);
        buffer[..count].Fill((byte)'\n');
        _lineFeedsLeft -= count;
        return count;
    }
}
