using Grpc.Core;
using GrpcLlm.V1;

namespace GrpcLlm.Client;

/// <summary>
/// One call for a generation: the stream, and what came of it. Disposing it resets the stream, which is what ends the
/// generation at the server when the reader leaves early. Not thread-safe.
/// </summary>
internal sealed class GenerationAttempt(AsyncServerStreamingCall<TokenChunk> call, StreamProgress progress) : IDisposable
{
    /// <summary>The messages as they come.</summary>
    public IAsyncStreamReader<TokenChunk> Stream { get; } = call.ResponseStream;

    /// <summary>What was received.</summary>
    public StreamProgress Progress { get; } = progress;

    /// <summary>The message at hand; null before the first.</summary>
    public TokenChunk? Current { get; private set; }

    /// <summary>The response headers; null before the first message.</summary>
    public Metadata? Headers { get; private set; }

    /// <summary>The trailers; null before the end.</summary>
    public Metadata? Trailers { get; private set; }

    /// <summary>Takes what a read of the stream brought.</summary>
    /// <param name="more">Whether it brought a message.</param>
    /// <returns><paramref name="more"/>: false at the end of a complete stream.</returns>
    /// <exception cref="GenerationException">The stream is not complete, or breaks the rules of the contract.</exception>
    public bool Take(bool more)
    {
        if (!more)
        {
            Trailers = call.GetTrailers();
            return Progress.Finish is not null ? false : throw Failures.Truncated(Progress);
        }

        Current = Stream.Current;
        Progress.Observe(Current);
        return true;
    }

    /// <summary>Reads the next message or the end: for the messages before the first token, apart from the hot path.</summary>
    /// <exception cref="RpcException">The call failed.</exception>
    /// <exception cref="GenerationException">The stream is not complete, or breaks the rules of the contract.</exception>
    public async Task<bool> ReadAsync()
    {
        var more = Take(await Stream.MoveNext(CancellationToken.None));
        Headers ??= await call.ResponseHeadersAsync;
        return more;
    }

    public void Dispose() => call.Dispose();
}
