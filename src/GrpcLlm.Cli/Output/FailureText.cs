using System.Globalization;
using Grpc.Core;
using GrpcLlm.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Output;

/// <summary>The three lines of a failed call. Stateless and thread-safe.</summary>
internal static class FailureText
{
    private static readonly string ElsewhereHint =
        $"start the service, or name another with --address or {CommonOptions.AddressVariable}";

    /// <summary>What failed: the typed reason, how far it came, the request id.</summary>
    public static string What(GenerationException failure, string address)
    {
        var status = Words.UpperOf(failure.StatusCode);
        var what = failure.StreamedTokens > 0 ? $"cut short after {failure.StreamedTokens} tokens"
            : NobodyAnswered(failure) ? $"no server answers at {address}"
            : "failed";
        var reason = failure.ReasonName.Length > 0 ? $"{failure.ReasonName}, {status}" : status;

        // A name that no log knows is no help.
        var id = failure.RequestId.Length > 0 && !NobodyAnswered(failure) ? $", request {failure.RequestId}" : "";
        return $"{what} ({reason}{id})";
    }

    /// <summary>Why: every violation, else the message.</summary>
    public static string Why(GenerationException failure) => failure.Violations.Count > 0
        ? string.Join("; ", failure.Violations.Select(v => v.Field.Length > 0 ? $"{v.Field}: {v.Description}" : v.Description))
        : failure.Message;

    /// <summary>What to do next.</summary>
    public static string Next(GenerationException failure) => failure.Reason switch
    {
        ErrorReason.InvalidRequest => "correct the options named above",
        ErrorReason.ContextTooLong => "shorten the prompt; grpcllm count-tokens tells its length",
        ErrorReason.ModelNotFound => "grpcllm models lists what there is",
        ErrorReason.Unauthenticated or ErrorReason.ModelForbidden => "ask the operator of the service for access",
        ErrorReason.UpstreamMisconfigured or ErrorReason.Internal => "tell the operator of the service the request id",
        _ when failure.StreamedTokens > 0 => "what was printed stands but is not complete; run it again for a whole answer",
        _ when failure.StatusCode == StatusCode.DeadlineExceeded => "try again, with a longer --deadline",
        _ when failure.RetrySafe && !NobodyAnswered(failure) => failure.RetryAfter is { } wait
            ? $"try again in {Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture)} s"
            : "try again",
        _ => NobodyAnswered(failure) ? ElsewhereHint : "--verbose tells more",
    };

    private static bool NobodyAnswered(GenerationException failure) =>
        failure is { ReasonName.Length: 0, LastSequence: 0, StatusCode: StatusCode.Unavailable };
}
