using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// The body of a gRPC request as the framework reads it, except that a message whose prefix has flags or a length that gRPC
/// does not know ends the call with INTERNAL, like any other framing that is wrong. The framework would take it for a
/// defect of the method and log an error, so that any client could fill the log. One reader.
/// </summary>
/// <remarks>
/// The framework consumes whole messages, so what it reads begins with a prefix every time.
/// </remarks>
internal sealed class PrefixReader(PipeReader body) : PipeReader, IRequestBodyPipeFeature
{
    // One byte of flags, of which only the lowest bit is known, and the length, big-endian.
    private const int PrefixLength = 5;
    private const byte KnownFlags = 1;

    private static readonly Status BadPrefix =
        new(StatusCode.Internal, "The prefix of a message has flags or a length that are not allowed.");

    public PipeReader Reader => this;

    /// <summary>Lets the framework read this request so.</summary>
    public static void Watch(HttpContext context) =>
        context.Features.Set<IRequestBodyPipeFeature>(new PrefixReader(context.Request.BodyReader));

    /// <exception cref="RpcException">A message has a prefix that is not allowed.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        var read = await body.ReadAsync(cancellationToken);
        Check(read.Buffer);
        return read;
    }

    /// <exception cref="RpcException">A message has a prefix that is not allowed.</exception>
    public override bool TryRead(out ReadResult result)
    {
        if (!body.TryRead(out result)) return false;
        Check(result.Buffer);
        return true;
    }

    public override void AdvanceTo(SequencePosition consumed) => body.AdvanceTo(consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => body.AdvanceTo(consumed, examined);

    public override void CancelPendingRead() => body.CancelPendingRead();

    public override void Complete(Exception? exception = null) => body.Complete(exception);

    private void Check(in ReadOnlySequence<byte> buffer)
    {
        if (buffer.Length < PrefixLength) return;
        Span<byte> prefix = stackalloc byte[PrefixLength];
        buffer.Slice(0, PrefixLength).CopyTo(prefix);
        if (prefix[0] <= KnownFlags && prefix[1] <= sbyte.MaxValue) return;

        // Nobody else ends this read.
        body.AdvanceTo(buffer.Start, buffer.End);
        throw new RpcException(BadPrefix);
    }
}
