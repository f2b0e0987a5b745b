using System.IO.Pipelines;
using Microsoft.AspNetCore.Http.Features;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>The body of a response of which only flushes are used: counts them and, if told so, leaves one pending.</summary>
internal sealed class FakeResponseBody : PipeWriter, IHttpResponseBodyFeature
{
    private readonly TaskCompletionSource<FlushResult> _pending = new();

    /// <summary>Flushes so far.</summary>
    public int Flushes { get; private set; }

    /// <summary>Whether the next flush stays pending until <see cref="Release"/>.</summary>
    public bool Stalled { get; set; }

    /// <summary>Thrown by the next flush.</summary>
    public Exception? Failure { get; set; }

    public Stream Stream => throw new NotSupportedException();

    public PipeWriter Writer => this;

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        Flushes++;
        if (Failure is not null) throw Failure;
        return Stalled ? new ValueTask<FlushResult>(_pending.Task) : default;
    }

    /// <summary>Lets the pending flush complete.</summary>
    public void Release() => _pending.SetResult(default);

    public override void Advance(int bytes) => throw new NotSupportedException();

    public override Memory<byte> GetMemory(int sizeHint = 0) => throw new NotSupportedException();

    public override Span<byte> GetSpan(int sizeHint = 0) => throw new NotSupportedException();

    public override void CancelPendingFlush() => throw new NotSupportedException();

    public override void Complete(Exception? exception = null) => throw new NotSupportedException();

    public void DisableBuffering() => throw new NotSupportedException();

    public Task StartAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException();

    public Task CompleteAsync() => throw new NotSupportedException();
}
