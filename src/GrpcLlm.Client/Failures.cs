using System.Net.Sockets;
using System.Security.Authentication;
using Grpc.Core;

namespace GrpcLlm.Client;

/// <summary>Makes a <see cref="GenerationException"/> of whatever gRPC throws. Stateless and thread-safe.</summary>
internal static class Failures
{
    /// <summary>What the caller gets for a failed call.</summary>
    /// <param name="exception">What gRPC threw.</param>
    /// <param name="progress">What was received until then.</param>
    /// <param name="cancellationToken">The caller's token.</param>
    /// <returns>
    /// <see cref="OperationCanceledException"/> if the caller cancelled. A reason that the server gave stands, though,
    /// even if the token was cancelled meanwhile: it is the cause, and it carries the bill.
    /// </returns>
    public static Exception Translate(
        RpcException exception, StreamProgress progress, CancellationToken cancellationToken)
    {
        var details = FailureDetails.Of(exception.Trailers);
        if (details.Info is null && cancellationToken.IsCancellationRequested)
            return Cancelled(exception, cancellationToken);

        // The server knows of messages that never arrived; what did arrive counts whatever it says.
        var streamedTokens = Math.Max(details.StreamedTokens ?? 0, progress.StreamedTokens);
        var isTransport = details.Info is null && exception.Status.DebugException is { } cause && IsTransport(cause);

        // Where the server does not say: UNAVAILABLE means that no token was delivered, and none has come.
        var retrySafe = details.RetrySafe ?? (exception.StatusCode == StatusCode.Unavailable || isTransport);
        return new GenerationException(Message(exception), exception)
        {
            Kind = isTransport ? GenerationFailureKind.Transport : GenerationFailureKind.Status,
            Reason = details.Reason,
            ReasonName = details.Info?.Reason ?? "",
            StatusCode = exception.StatusCode,
            RetrySafe = retrySafe && streamedTokens == 0 && !progress.HasOutput && !IsUntrusted(exception),
            RetryAfter = details.RetryAfter,
            RetryForbidden = details.ForbidsRetry,
            Attempts = progress.Attempt,
            Violations = details.Violations,
            LastSequence = Math.Max(details.LastSequence ?? 0, progress.LastSequence),
            StreamedTokens = streamedTokens,
            Summary = details.Summary,
            RequestId = details.RequestId is { Length: > 0 } id ? id : progress.RequestId,
            Backend = details.Backend,
        };
    }

    /// <summary>The caller ended the call.</summary>
    public static OperationCanceledException Cancelled(Exception? cause, CancellationToken cancellationToken) =>
        new("The caller cancelled the call.", cause, cancellationToken);

    /// <summary>A stream that ended with status OK but without its finish.</summary>
    public static GenerationException Truncated(StreamProgress progress) =>
        new("The stream ended without a finish: the answer is not complete.")
        {
            Kind = GenerationFailureKind.Truncated,
            StatusCode = StatusCode.DataLoss,
            LastSequence = progress.LastSequence,
            StreamedTokens = progress.StreamedTokens,
            RequestId = progress.RequestId,
            Attempts = progress.Attempt,
        };

    /// <summary>Whether the connection was missing or broke, or the stream was reset on it.</summary>
    private static bool IsTransport(Exception? cause)
    {
        for (; cause is not null; cause = cause.InnerException)
        {
            if (cause is HttpRequestException or IOException or SocketException) return true;
        }

        return false;
    }

    /// <summary>Whether TLS found the server or the client unfit; trying again finds the same.</summary>
    private static bool IsUntrusted(RpcException exception)
    {
        for (var cause = exception.Status.DebugException; cause is not null; cause = cause.InnerException)
        {
            if (cause is AuthenticationException or HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError })
                return true;
        }

        return false;
    }

    /// <summary>
    /// The server's message or, where no server spoke, the innermost cause: "Connection refused (127.0.0.1:50051)"
    /// says more than the layers above it.
    /// </summary>
    private static string Message(RpcException exception)
    {
        var cause = exception.Status.DebugException?.GetBaseException();
        if (cause is not null and not OperationCanceledException) return cause.Message;
        if (exception.Status.Detail is { Length: > 0 } detail) return detail;
        return exception.StatusCode == StatusCode.DeadlineExceeded
            ? "The deadline passed."
            : $"The call failed with {exception.StatusCode}.";
    }
}
