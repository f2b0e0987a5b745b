using GrpcLlm.Client;

namespace GrpcLlm.Cli.Output;

/// <summary>The members of <c>error</c> in the JSON line of a failure. What is not known is left out.</summary>
internal static class JsonFields
{
    public static Dictionary<string, object?> Of(string reason, string message, int exitCode) => new(StringComparer.Ordinal)
    {
        ["reason"] = reason,
        ["message"] = message,
        ["exitCode"] = exitCode,
    };

    public static Dictionary<string, object?> Of(GenerationException failure, int exitCode)
    {
        var fields = Of(failure.ReasonName, failure.Message, exitCode);
        fields["status"] = Words.UpperOf(failure.StatusCode);
        fields["retrySafe"] = failure.RetrySafe;
        fields["lastSequence"] = failure.LastSequence;
        fields["streamedTokens"] = failure.StreamedTokens;
        if (failure.RetryAfter is { } wait) fields["retryAfterMs"] = (long)Math.Ceiling(wait.TotalMilliseconds);
        if (failure.RequestId.Length > 0) fields["requestId"] = failure.RequestId;
        if (failure.Backend.Length > 0) fields["backend"] = failure.Backend;
        if (failure.Violations.Count > 0)
        {
            fields["violations"] = failure.Violations
                .Select(violation => new { field = violation.Field, description = violation.Description })
                .ToArray();
        }

        return fields;
    }
}
