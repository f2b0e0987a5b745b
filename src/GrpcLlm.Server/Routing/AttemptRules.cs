using GrpcLlm.Server.Backends;

namespace GrpcLlm.Server.Routing;

/// <summary>What follows from a failed attempt, as long as no token came.</summary>
/// <param name="OtherKey">Another key of the same backend is tried at once.</param>
/// <param name="NextRoute">The next route is tried at once.</param>
/// <param name="Again">The route is tried again after a wait. False: not in this call.</param>
/// <param name="CountsForBreaker">It counts against the health of the backend and key.</param>
internal readonly record struct AttemptRule(bool OtherKey, bool NextRoute, bool Again, bool CountsForBreaker)
{
    /// <summary>Whether the call fails with it.</summary>
    public bool IsFinal => !OtherKey && !NextRoute && !Again;
}

/// <summary>
/// The one table of which failures are retried, failed over, or final. All of it is about the time before the first
/// token; after it nothing is tried again.
/// <code>
/// failure                            other key  next route  again  breaker
/// Unavailable  refused, reset, 408,      –         yes       yes     yes
///              5xx, empty
/// Stalled      no token in time          –         yes       yes     yes
/// Truncated    broke off                 –         yes       yes     yes
/// Malformed    cannot be read            –         yes       yes     yes
/// Failed       error in the stream       –         yes       yes     yes     counts as the status that it names
/// RateLimited  429                      yes        yes       yes      –      the key rests for its Retry-After
/// KeyRefused   401, 403, no key         yes        yes       yes      –      the key is out
/// Misconfigured  404, redirect           –         yes        –       –
/// Overloaded   its own queue is full     –         yes       yes      –
/// ContextTooLong                         –         yes        –       –      another model may have a larger window
/// Rejected     other 4xx                 –          –         –       –      final: the request is at fault
/// </code>
/// Stateless and thread-safe.
/// </summary>
internal static class AttemptRules
{
    private static readonly AttemptRule Broken = new(OtherKey: false, NextRoute: true, Again: true, CountsForBreaker: true);
    private static readonly AttemptRule OfKey = new(OtherKey: true, NextRoute: true, Again: true, CountsForBreaker: false);
    private static readonly AttemptRule Busy = new(OtherKey: false, NextRoute: true, Again: true, CountsForBreaker: false);
    private static readonly AttemptRule OfRoute = new(OtherKey: false, NextRoute: true, Again: false, CountsForBreaker: false);
    private static AttemptRule Final => default;

    /// <summary>What a failure before the first token counts as.</summary>
    public static BackendFailure FailureOf(BackendException exception) => exception.BeforeFirstToken ?? exception.Failure;

    /// <summary>What follows from a failure before the first token.</summary>
    public static AttemptRule Of(BackendException exception) =>
        exception.KeyRefused ? OfKey : Of(FailureOf(exception));

    /// <summary>What follows from a failure before the first token that is not the key's.</summary>
    public static AttemptRule Of(BackendFailure failure) => failure switch
    {
        BackendFailure.Unavailable or BackendFailure.Stalled or BackendFailure.Truncated or BackendFailure.Malformed
            or BackendFailure.Failed => Broken,
        BackendFailure.RateLimited => OfKey,
        BackendFailure.Overloaded => Busy,
        BackendFailure.Misconfigured or BackendFailure.ContextTooLong => OfRoute,
        _ => Final,
    };

    /// <summary>Whether a failure after the first token counts against the health of the backend and key.</summary>
    public static bool CountsForBreakerMidStream(BackendException exception) => Of(exception.Failure).CountsForBreaker;
}
