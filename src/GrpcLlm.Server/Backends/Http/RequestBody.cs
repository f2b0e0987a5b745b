using System.Buffers;
using System.Net;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// JSON to send, in a rented buffer that goes back once the request is disposed: the connection holds on to its request for
/// as long as the answer streams, and prompts may be long. Written by one caller, before it is sent.
/// </summary>
internal sealed class RequestBody : HttpContent, IBufferWriter<byte>
{
    private const int LeastBytes = 1024;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(LeastBytes);
    private int _length;

    // The request, and each send that is under way: one may outlive its request where the answer came first (HTTP/2).
    private int _holders = 1;
    private int _disposed;

    public RequestBody() => Headers.TryAddWithoutValidation("Content-Type", "application/json");

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _buffer.Length - _length);
        _length += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        var wanted = _length + Math.Max(sizeHint, 1);
        if (wanted > _buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(wanted, (int)Math.Min(2L * _buffer.Length, Array.MaxLength)));
            _buffer.AsSpan(0, _length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }

        return _buffer.AsMemory(_length);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        Hold();
        try
        {
            await stream.WriteAsync(_buffer.AsMemory(0, _length), cancellationToken);
        }
        finally
        {
            Release();
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _length;
        return true;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && Interlocked.Exchange(ref _disposed, 1) == 0) Release();
        base.Dispose(disposing);
    }

    private void Hold()
    {
        int holders;
        do
        {
            holders = Volatile.Read(ref _holders);
            ObjectDisposedException.ThrowIf(holders == 0, this);
        }
        while (Interlocked.CompareExchange(ref _holders, holders + 1, holders) != holders);
    }

    private void Release()
    {
        if (Interlocked.Decrement(ref _holders) > 0) return;
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
    }
}
