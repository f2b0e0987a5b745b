using Grpc.Core;
using GrpcLlm.V1;

namespace GrpcLlm.Client;

/// <summary>What a <see cref="GenerationException"/> rests on.</summary>
public enum GenerationFailureKind
{
    /// <summary>The call ended with a gRPC status: <see cref="GenerationException.Reason"/> says why if it was the service's.</summary>
    Status,

    /// <summary>There was no connection, or it broke.</summary>
    Transport,

    /// <summary>The stream ended with status OK but without a finish: the answer is not complete.</summary>
    Truncated,

    /// <summary>The stream broke the rules of the contract: a gap in the sequence, or a message after the finish.</summary>
    ProtocolViolation,

    /// <summary>The client's token provider gave no token; no call was made.</summary>
    Credentials,
}

/// <summary>
/// A call failed, or its stream ended without a finish. Tokens that were received before it stand.
/// Not to be changed, but for <see cref="Summary"/>, a protobuf message that the receiver owns.
/// </summary>
public sealed class GenerationException : Exception
{
    /// <summary>Makes a failure; all that is known beside the message is set by the initialisers.</summary>
    /// <param name="message">What happened, for people.</param>
    /// <param name="innerException">The gRPC failure, if there was one.</param>
    public GenerationException(string message, Exception? innerException = null) : base(message, innerException) { }

    /// <summary>What the failure rests on.</summary>
    public GenerationFailureKind Kind { get; init; }

    /// <summary>
    /// Why, in the terms of the contract. <see cref="ErrorReason.Unspecified"/> if the server did not say (nobody
    /// answered, the connection broke, the stream was truncated) or names a reason newer than this client.
    /// </summary>
    public ErrorReason Reason { get; init; }

    /// <summary>
    /// The reason's name as sent, such as <c>UPSTREAM_STALLED</c>, also where this client is too old to know it.
    /// Empty if the server did not say.
    /// </summary>
    public string ReasonName { get; init; } = "";

    /// <summary>
    /// The gRPC status. <see cref="StatusCode.DataLoss"/> for a stream that ended with OK but without a finish, or broke
    /// the rules of the contract.
    /// </summary>
    public StatusCode StatusCode { get; init; } = StatusCode.Unknown;

    /// <summary>Whether no token was delivered and trying again may succeed.</summary>
    public bool RetrySafe { get; init; }

    /// <summary>How long to wait before trying again, where the server says so. 0 to 1 day.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Calls that this client made for the generation, the failed one included; 0 if it came to none.</summary>
    public int Attempts { get; init; }

    /// <summary>What is wrong with the request, with <see cref="ErrorReason.InvalidRequest"/>; empty otherwise.</summary>
    public IReadOnlyList<RequestViolation> Violations { get; init; } = [];

    /// <summary>Sequence of the last message of the stream; 0 if there was none.</summary>
    public ulong LastSequence { get; init; }

    /// <summary>Tokens that were streamed before the failure.</summary>
    public uint StreamedTokens { get; init; }

    /// <summary>Usage, timing and attempts of the failed generation. Null if the trailers never came.</summary>
    public GenerationSummary? Summary { get; init; }

    /// <summary>Tokens that the failed generation used, as far as known. Null if the trailers never came.</summary>
    public Usage? Usage => Summary?.Usage;

    /// <summary>
    /// What was received, put together. Only from <see cref="GrpcLlmClient.GenerateAnswerAsync"/> and the methods that
    /// return text; who enumerates has it already. Null otherwise.
    /// </summary>
    public GenerationAnswer? PartialAnswer { get; internal set; }

    /// <summary>Name of the generation, by which the server's logs know it. Empty if not known.</summary>
    public string RequestId { get; init; } = "";

    /// <summary>Configured name of the backend to which the failure belongs. Empty if none or not known.</summary>
    public string Backend { get; init; } = "";

    /// <summary>Whether the server forbids this client to try again by itself (a pushback of -1).</summary>
    internal bool RetryForbidden { get; init; }
}
