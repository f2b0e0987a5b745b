using Grpc.Core;

namespace GrpcLlm.Client;

/// <summary>What one generation wants from the call, beside what is in the request. Immutable.</summary>
public sealed record GenerateCallOptions
{
    /// <summary>
    /// Time for the whole call, all attempts included, sent as the gRPC deadline. The server ends a little earlier, so
    /// that usage and timing still arrive: after a token with finish reason TIME_BUDGET, before one with
    /// <see cref="GenerationException"/>.
    /// </summary>
    /// <value>
    /// Null, <see cref="GrpcLlmClientOptions.GenerateTimeout"/>, by default;
    /// <see cref="System.Threading.Timeout.InfiniteTimeSpan"/>: no deadline.
    /// </value>
    public TimeSpan? Timeout { get; init; }

    /// <summary>
    /// Request headers. An <c>authorization</c> among them takes the place of the client's credentials.
    /// </summary>
    /// <value>Null, none, by default.</value>
    public Metadata? Headers { get; init; }

    /// <summary>Whether a failure before the first token is told at once, whatever <see cref="GrpcLlmClientOptions.Retry"/> says.</summary>
    /// <value>False by default.</value>
    public bool NoRetry { get; init; }
}
