namespace GrpcLlm.Client;

/// <summary>
/// What a <see cref="GrpcLlmClient"/> does about a generation that fails before its first token. After the first token
/// nothing is ever tried again. All attempts carry the same request id.
/// </summary>
/// <remarks>
/// Tried again is what the server calls safe to retry, what it answers with UNAVAILABLE without further word, and a
/// connection that fails before a token. The server's wait (<c>grpc-retry-pushback-ms</c>) is kept to the millisecond, and
/// its <c>-1</c> forbids. Other calls than generations are not tried again.
/// </remarks>
public sealed class GrpcLlmRetryOptions
{
    /// <summary>Attempts of one generation, the first included.</summary>
    /// <value>1 (retries are off) to 10; 3 by default.</value>
    public int MaxAttempts { get; set; } = 3;

    /// <summary>
    /// Wait before the second attempt, where the server names none. Doubles with every further attempt; a random part of
    /// up to a half is taken off, so that clients that failed together do not come back together.
    /// </summary>
    /// <value>0 to 1 minute; 100 ms by default.</value>
    public TimeSpan BaseDelay { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Longest wait, where the server names none.</summary>
    /// <value>0 to 10 minutes; 5 s by default.</value>
    public TimeSpan MaxDelay { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Time since the start of the call after which no attempt begins. A wait that would pass it, or the call's deadline,
    /// is not begun: the failure is told at once. It does not end an attempt that runs.
    /// </summary>
    /// <value>Above 0, at most 1 day; 30 s by default.</value>
    public TimeSpan Budget { get; set; } = TimeSpan.FromSeconds(30);
}
