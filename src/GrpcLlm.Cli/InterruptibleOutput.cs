namespace GrpcLlm.Cli;

/// <summary>
/// A stream to a pipe whose writes end some time after the user interrupts, even if nobody reads the pipe: the system's own
/// write cannot be told to. Such a write is left behind with its bytes, and nothing is written after it. Write-only; one write
/// at a time.
/// </summary>
/// <param name="pipe">The pipe; not disposed.</param>
/// <param name="patience">Time that a write has once the user interrupted: whoever reads gets what there is.</param>
/// <param name="interrupted">Cancelled by the user's interrupt.</param>
internal sealed class InterruptibleOutput(Stream pipe, TimeSpan patience, CancellationToken interrupted) : Stream
{
    /// <summary>A patience that every reader can meet.</summary>
    public static readonly TimeSpan DefaultPatience = TimeSpan.FromSeconds(1);

    private byte[] _bytes = [];
    private bool _isLeft;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <exception cref="OperationCanceledException">It was interrupted, and nobody read; now or before.</exception>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_isLeft) throw new OperationCanceledException(interrupted);

        // The caller may use its buffer again while a write that was left behind still reads it.
        if (_bytes.Length < buffer.Length) _bytes = new byte[buffer.Length];
        buffer.CopyTo(_bytes);
        var writing = pipe.WriteAsync(_bytes.AsMemory(0, buffer.Length), cancellationToken).AsTask();
        if (await EndsAsync(writing))
        {
            await writing;
            return;
        }

        // How it ends is nobody's business any more.
        _isLeft = true;
        _ = writing.ContinueWith(
            static left => left.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        throw new OperationCanceledException(interrupted);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Writes like the pipe itself: for the short texts that are not written asynchronously, such as help.</summary>
    public override void Write(byte[] buffer, int offset, int count) => pipe.Write(buffer, offset, count);

    /// <summary>Does nothing: the pipe holds nothing back.</summary>
    public override void Flush()
    {
    }

    /// <inheritdoc cref="Flush"/>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private async Task<bool> EndsAsync(Task writing)
    {
        if (writing.IsCompleted) return true;
        var interrupt = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = interrupted.UnsafeRegister(static state => ((TaskCompletionSource)state!).SetResult(), interrupt);
        if (await Task.WhenAny(writing, interrupt.Task) == writing) return true;
        return await Task.WhenAny(writing, Task.Delay(patience, TimeProvider.System, CancellationToken.None)) == writing;
    }
}
