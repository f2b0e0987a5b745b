using Grpc.Core;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Testing;

/// <summary>
/// A stream without a network: the same message over and over, with a sequence that grows, then the finish. Allocates
/// nothing itself as long as it does not wait.
/// </summary>
internal sealed class FakeStream(int messages, bool waits) : CallInvoker, IAsyncStreamReader<TokenChunk>
{
    private static readonly Task<bool> More = Task.FromResult(true);
    private static readonly Task<bool> NoMore = Task.FromResult(false);

    private readonly TokenChunk _chunk = Chunks.First("Hello");
    private TaskCompletionSource<bool>? _waiting;
    private int _sent;

    public TokenChunk Current => _chunk;

    public Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        if (!waits) return Advance() ? More : NoMore;
        _waiting = new TaskCompletionSource<bool>();
        return _waiting.Task;
    }

    /// <summary>Lets the read that waits go on, on this thread.</summary>
    /// <returns>False at the end.</returns>
    public bool Release()
    {
        var more = Advance();
        _waiting!.SetResult(more);
        return more;
    }

    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) => new(
        (IAsyncStreamReader<TResponse>)(object)this, Task.FromResult(new Metadata()), () => Status.DefaultSuccess, () => [], () => { });

    public override TResponse BlockingUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
        throw new NotSupportedException();

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
        throw new NotSupportedException();

    public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options) => throw new NotSupportedException();

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options) => throw new NotSupportedException();

    private bool Advance()
    {
        if (_sent == messages) return false;
        _sent++;
        _chunk.Sequence++;
        if (_sent == 1) (_chunk.Sequence, _chunk.Finish) = (1, null);
        if (_sent == messages) _chunk.Finish = Chunks.End(1).Finish;
        return true;
    }
}
