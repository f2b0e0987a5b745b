using Grpc.Core;

namespace GrpcLlm.Client;

/// <summary>What one generation wants from the call, beside what is in the request. Immutable.</summary>
public sealed record GenerateCallOptions
{
    /// <summary>
    /// Time for the whole call, sent as the gRPC deadline. The server ends a little earlier, so that usage and timing
    /// still arrive: after a token with finish reason TIME_BUDGET, before one with <see cref="GenerationException"/>.
    /// </summary>
    /// <value>Null, no deadline, by default.</value>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Request headers, such as credentials.</summary>
    /// <value>Null, none, by default.</value>
    public Metadata? Headers { get; init; }
}
