namespace GrpcLlm.Server.Backends;

/// <summary>How a backend failed, before anyone decides what that means for the call.</summary>
internal enum BackendFailure
{
    /// <summary>Refused, reset, 408, 5xx, an empty or unreadable answer before it began.</summary>
    Unavailable,

    /// <summary>429, or all keys cooling down.</summary>
    RateLimited,

    /// <summary>Its own slots and queue are full.</summary>
    Overloaded,

    /// <summary>It refused the request (4xx without a value of its own here).</summary>
    Rejected,

    /// <summary>Bad key, bad URL, unknown model there: the operator's fault.</summary>
    Misconfigured,

    /// <summary>The prompt exceeds its context window.</summary>
    ContextTooLong,

    /// <summary>Silent for longer than allowed.</summary>
    Stalled,

    /// <summary>The stream broke off.</summary>
    Truncated,

    /// <summary>It sent what cannot be read.</summary>
    Malformed,

    /// <summary>It reported an error inside its stream.</summary>
    Failed,
}

/// <summary>A backend failed. The message is safe for the caller: bounded, no key, no prompt.</summary>
internal sealed class BackendException : Exception
{
    public BackendException(BackendFailure failure, string message, Exception? innerException = null)
        : base(message, innerException) => Failure = failure;

    /// <summary>How it failed.</summary>
    public BackendFailure Failure { get; }

    /// <summary>
    /// What it counts as while no token was delivered, where that differs: an error inside a stream counts as the HTTP
    /// status that it names.
    /// </summary>
    public BackendFailure? BeforeFirstToken { get; init; }

    /// <summary>
    /// Set where the refusal is an answer: the provider's filter blocked the prompt, so the answer ends with no token.
    /// </summary>
    public BackendEnding? Ending { get; init; }

    /// <summary>Whether the key was refused (401, 403) or is not there, so that another one may do.</summary>
    public bool KeyRefused { get; init; }

    /// <summary>When trying again makes sense, if the backend said so.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>HTTP status that it answered with; null if the failure is none of a status.</summary>
    public int? HttpStatus { get; init; }

    /// <summary>A backend that was silent for longer than <see cref="SilenceOptions"/> allow.</summary>
    /// <param name="firstTokenCame">Whether it had begun its answer.</param>
    /// <param name="innerException">What ended the wait; null: nothing but the time.</param>
    public static BackendException Stalled(bool firstTokenCame, Exception? innerException = null) => new(
        BackendFailure.Stalled,
        firstTokenCame ? "The backend fell silent." : "The backend gave no token in time.",
        innerException);
}
