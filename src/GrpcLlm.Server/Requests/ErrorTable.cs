using Grpc.Core;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Requests;

/// <summary>
/// The one table of errors: which status a reason has, whose fault it is, whether trying again may help. UNAVAILABLE
/// means that no token was delivered; meshes and clients retry it blindly, so it is never sent after one.
/// </summary>
internal static class ErrorTable
{
    /// <summary>Wait that is suggested where nothing better is known.</summary>
    public static readonly TimeSpan DefaultRetryAfter = TimeSpan.FromSeconds(1);

    /// <summary>The status of a reason.</summary>
    /// <param name="reason">The reason.</param>
    /// <param name="delivered">Whether a token was delivered; matters for DRAINING alone.</param>
    public static StatusCode StatusOf(ErrorReason reason, bool delivered) => reason switch
    {
        ErrorReason.InvalidRequest or ErrorReason.ContextTooLong => StatusCode.InvalidArgument,
        ErrorReason.ModelNotFound or ErrorReason.CacheMiss => StatusCode.NotFound,
        ErrorReason.Unauthenticated => StatusCode.Unauthenticated,
        ErrorReason.ModelForbidden => StatusCode.PermissionDenied,
        ErrorReason.QuotaExceeded or ErrorReason.UpstreamRateLimited => StatusCode.ResourceExhausted,
        ErrorReason.Overloaded or ErrorReason.UpstreamUnavailable or ErrorReason.FirstTokenTimeout =>
            StatusCode.Unavailable,
        ErrorReason.Draining => delivered ? StatusCode.Aborted : StatusCode.Unavailable,
        ErrorReason.UpstreamRejected => StatusCode.FailedPrecondition,
        ErrorReason.UpstreamStalled or ErrorReason.UpstreamTruncated or ErrorReason.UpstreamMalformed
            or ErrorReason.UpstreamFailed => StatusCode.Aborted,
        ErrorReason.Deadline => StatusCode.DeadlineExceeded,
        ErrorReason.ResumeUnavailable => StatusCode.OutOfRange,
        ErrorReason.ClientCancelled or ErrorReason.ClientStalled => StatusCode.Cancelled,
        _ => StatusCode.Internal,
    };

    /// <summary>Whether the answer carries RetryInfo and a pushback: before the first token, for what passes.</summary>
    public static bool HasRetryInfo(ErrorReason reason, bool delivered) => !delivered && reason is
        ErrorReason.QuotaExceeded or ErrorReason.Overloaded or ErrorReason.Draining or ErrorReason.UpstreamRateLimited
        or ErrorReason.UpstreamUnavailable or ErrorReason.FirstTokenTimeout;

    /// <summary>Whether no token was delivered and trying again may succeed.</summary>
    public static bool IsRetrySafe(ErrorReason reason, bool delivered) =>
        !delivered && (HasRetryInfo(reason, delivered) || reason is ErrorReason.Deadline);

    /// <summary>Whose fault a failure is.</summary>
    public static Fault FaultOf(ErrorReason reason) => reason switch
    {
        ErrorReason.Unspecified => Fault.None,
        ErrorReason.InvalidRequest or ErrorReason.ContextTooLong or ErrorReason.ModelNotFound
            or ErrorReason.Unauthenticated or ErrorReason.ModelForbidden or ErrorReason.QuotaExceeded
            or ErrorReason.Deadline or ErrorReason.CacheMiss or ErrorReason.ResumeUnavailable
            or ErrorReason.ClientCancelled or ErrorReason.ClientStalled => Fault.Client,
        ErrorReason.UpstreamRateLimited or ErrorReason.UpstreamUnavailable or ErrorReason.FirstTokenTimeout
            or ErrorReason.UpstreamRejected or ErrorReason.UpstreamStalled or ErrorReason.UpstreamTruncated
            or ErrorReason.UpstreamMalformed or ErrorReason.UpstreamFailed => Fault.Upstream,
        _ => Fault.Service,
    };

    /// <summary>The name of a fault, in lower case.</summary>
    public static string NameOf(Fault fault) => fault switch
    {
        Fault.Client => "client",
        Fault.Service => "service",
        Fault.Upstream => "upstream",
        _ => "none",
    };

    /// <summary>What a backend's failure means for the call.</summary>
    /// <param name="exception">How the backend failed.</param>
    /// <param name="delivered">Whether a token was delivered.</param>
    public static ErrorReason ReasonOf(BackendException exception, bool delivered) =>
        ReasonOf(delivered ? exception.Failure : exception.BeforeFirstToken ?? exception.Failure, delivered);

    /// <summary>What a backend's failure means for the call.</summary>
    /// <param name="failure">How the backend failed.</param>
    /// <param name="delivered">Whether a token was delivered.</param>
    public static ErrorReason ReasonOf(BackendFailure failure, bool delivered) => failure switch
    {
        BackendFailure.Rejected when !delivered => ErrorReason.UpstreamRejected,
        BackendFailure.Misconfigured when !delivered => ErrorReason.UpstreamMisconfigured,
        BackendFailure.ContextTooLong when !delivered => ErrorReason.ContextTooLong,
        BackendFailure.RateLimited when !delivered => ErrorReason.UpstreamRateLimited,
        BackendFailure.Overloaded when !delivered => ErrorReason.Overloaded,
        BackendFailure.Stalled => delivered ? ErrorReason.UpstreamStalled : ErrorReason.FirstTokenTimeout,
        _ when !delivered => ErrorReason.UpstreamUnavailable,
        BackendFailure.Unavailable or BackendFailure.Truncated => ErrorReason.UpstreamTruncated,
        BackendFailure.Malformed => ErrorReason.UpstreamMalformed,
        _ => ErrorReason.UpstreamFailed,
    };

    /// <summary>The name of a reason as it stands in ErrorInfo: <c>UPSTREAM_STALLED</c>.</summary>
    public static string NameOf(ErrorReason reason) => Names<ErrorReason>.Of(reason);

    /// <summary>The name of a finish reason as it stands in the trailer: <c>stop_sequence</c>.</summary>
    public static string NameOf(FinishReason reason) => Names<FinishReason>.LowerOf(reason);
}
