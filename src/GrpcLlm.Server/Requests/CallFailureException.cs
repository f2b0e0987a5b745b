using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Requests;

/// <summary>
/// Why a call fails: a reason of the contract and what the caller is told with it. The message never holds a secret,
/// a prompt or a stack. Thrown before the first token and by the unary methods; the streaming part passes it by value.
/// </summary>
internal sealed class CallFailureException : Exception
{
    public CallFailureException(ErrorReason reason, string message, Exception? innerException = null)
        : base(message, innerException) => Reason = reason;

    /// <summary>The reason, as it stands in <c>google.rpc.ErrorInfo</c>.</summary>
    public ErrorReason Reason { get; }

    /// <summary>With INVALID_REQUEST: all that is wrong.</summary>
    public Violations Violations { get; init; } = new();

    /// <summary>When trying again makes sense; null: the default of the reason.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>With MODEL_NOT_FOUND: the name that was asked for.</summary>
    public string ResourceName { get; init; } = "";

    /// <summary>With QUOTA_EXCEEDED: which limit, in plain words.</summary>
    public string QuotaLimit { get; init; } = "";

    /// <summary>With QUOTA_EXCEEDED: whose limit, by name.</summary>
    public string QuotaTenant { get; init; } = "";

    /// <summary>A tenant that has used up one of its limits.</summary>
    /// <param name="tenant">Its name.</param>
    /// <param name="limit">Which limit, in plain words.</param>
    /// <param name="retryAfter">When coming back makes sense.</param>
    public static CallFailureException QuotaExceeded(string tenant, string limit, TimeSpan retryAfter) =>
        new(ErrorReason.QuotaExceeded, $"The tenant's limit is reached: {limit}.")
        {
            QuotaLimit = limit, QuotaTenant = tenant, RetryAfter = retryAfter,
        };

    /// <summary>What a backend's failure means for its call.</summary>
    /// <param name="exception">How the backend failed.</param>
    /// <param name="delivered">Whether a token was delivered.</param>
    public static CallFailureException Of(BackendException exception, bool delivered) =>
        new(ErrorTable.ReasonOf(exception, delivered), exception.Message, exception) { RetryAfter = exception.RetryAfter };

    /// <summary>A request that breaks the contract.</summary>
    public static CallFailureException Invalid(Violations violations) =>
        new(ErrorReason.InvalidRequest, Summarize(violations)) { Violations = violations };

    /// <summary>A request that breaks the contract in one way.</summary>
    public static CallFailureException Invalid(string field, string description)
    {
        var violations = new Violations();
        violations.Add(field, description);
        return Invalid(violations);
    }

    private static string Summarize(Violations violations)
    {
        var first = violations.First();
        var text = first.Field.Length == 0 ? first.Description : $"{first.Field}: {first.Description}";
        return violations.Count == 1 ? text : $"{text} (and {violations.Count - 1} more)";
    }
}
