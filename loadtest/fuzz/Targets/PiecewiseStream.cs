namespace GrpcLlm.Fuzz.Targets;

/// <summary>A body that is at hand, given out in pieces: all that fits, or pieces of random sizes up to a most.</summary>
/// <param name="body">The body.</param>
/// <param name="most">Most bytes of a piece; null: whatever fits.</param>
/// <param name="random">Draws sizes; null: always the most.</param>
internal sealed class PiecewiseStream(ReadOnlyMemory<byte> body, int? most = null, Random? random = null) : Stream
{
    private int _at;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        var length = Math.Min(buffer.Length, body.Length - _at);
        if (most is { } limit) length = Math.Min(length, random?.Next(1, limit + 1) ?? limit);
        body.Span.Slice(_at, length).CopyTo(buffer);
        _at += length;
        return length;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        Task.FromResult(Read(buffer.AsSpan(offset, count)));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
