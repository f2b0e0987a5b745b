using Grpc.Core;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Requests;

public sealed class ErrorTableTests
{
    /// <summary>Reason, status before and after the first token, whether it has RetryInfo before it, whose fault.</summary>
    public static TheoryData<string, StatusCode, StatusCode, bool, string> Rows => new()
    {
        { "INVALID_REQUEST", StatusCode.InvalidArgument, StatusCode.InvalidArgument, false, "Client" },
        { "CONTEXT_TOO_LONG", StatusCode.InvalidArgument, StatusCode.InvalidArgument, false, "Client" },
        { "MODEL_NOT_FOUND", StatusCode.NotFound, StatusCode.NotFound, false, "Client" },
        { "UNAUTHENTICATED", StatusCode.Unauthenticated, StatusCode.Unauthenticated, false, "Client" },
        { "MODEL_FORBIDDEN", StatusCode.PermissionDenied, StatusCode.PermissionDenied, false, "Client" },
        { "QUOTA_EXCEEDED", StatusCode.ResourceExhausted, StatusCode.ResourceExhausted, true, "Client" },
        { "OVERLOADED", StatusCode.Unavailable, StatusCode.Unavailable, true, "Service" },
        { "DRAINING", StatusCode.Unavailable, StatusCode.Aborted, true, "Service" },
        { "UPSTREAM_RATE_LIMITED", StatusCode.ResourceExhausted, StatusCode.ResourceExhausted, true, "Upstream" },
        { "UPSTREAM_UNAVAILABLE", StatusCode.Unavailable, StatusCode.Unavailable, true, "Upstream" },
        { "FIRST_TOKEN_TIMEOUT", StatusCode.Unavailable, StatusCode.Unavailable, true, "Upstream" },
        { "UPSTREAM_REJECTED", StatusCode.FailedPrecondition, StatusCode.FailedPrecondition, false, "Upstream" },
        { "UPSTREAM_MISCONFIGURED", StatusCode.Internal, StatusCode.Internal, false, "Service" },
        { "UPSTREAM_STALLED", StatusCode.Aborted, StatusCode.Aborted, false, "Upstream" },
        { "UPSTREAM_TRUNCATED", StatusCode.Aborted, StatusCode.Aborted, false, "Upstream" },
        { "UPSTREAM_MALFORMED", StatusCode.Aborted, StatusCode.Aborted, false, "Upstream" },
        { "UPSTREAM_FAILED", StatusCode.Aborted, StatusCode.Aborted, false, "Upstream" },
        { "DEADLINE", StatusCode.DeadlineExceeded, StatusCode.DeadlineExceeded, false, "Client" },
        { "CACHE_MISS", StatusCode.NotFound, StatusCode.NotFound, false, "Client" },
        { "RESUME_UNAVAILABLE", StatusCode.OutOfRange, StatusCode.OutOfRange, false, "Client" },
        { "CLIENT_CANCELLED", StatusCode.Cancelled, StatusCode.Cancelled, false, "Client" },
        { "CLIENT_STALLED", StatusCode.Cancelled, StatusCode.Cancelled, false, "Client" },
        { "INTERNAL", StatusCode.Internal, StatusCode.Internal, false, "Service" },
    };

    [Theory]
    [MemberData(nameof(Rows))]
    public void Reason_HasItsRow(string name, StatusCode before, StatusCode after, bool retryInfo, string fault)
    {
        var reason = Enum.GetValues<ErrorReason>().Single(one => ErrorTable.NameOf(one) == name);

        ErrorTable.StatusOf(reason, delivered: false).ShouldBe(before);
        ErrorTable.StatusOf(reason, delivered: true).ShouldBe(after);
        ErrorTable.HasRetryInfo(reason, delivered: false).ShouldBe(retryInfo);
        ErrorTable.FaultOf(reason).ShouldBe(Enum.Parse<Fault>(fault));
    }

    [Fact]
    public void Rows_AreAllReasons() =>
        Enum.GetValues<ErrorReason>().Except([ErrorReason.Unspecified]).Select(ErrorTable.NameOf)
            .ShouldBe(Rows.Select(static row => row.Data.Item1), ignoreOrder: true);

    [Fact]
    public void Retry_AfterTheFirstToken_IsNeverSuggested()
    {
        foreach (var reason in Enum.GetValues<ErrorReason>())
        {
            ErrorTable.HasRetryInfo(reason, delivered: true).ShouldBeFalse();
            ErrorTable.IsRetrySafe(reason, delivered: true).ShouldBeFalse();
        }
    }

    [Theory]
    [InlineData(nameof(BackendFailure.Unavailable), "UPSTREAM_UNAVAILABLE", "UPSTREAM_TRUNCATED")]
    [InlineData(nameof(BackendFailure.RateLimited), "UPSTREAM_RATE_LIMITED", "UPSTREAM_FAILED")]
    [InlineData(nameof(BackendFailure.Overloaded), "OVERLOADED", "UPSTREAM_FAILED")]
    [InlineData(nameof(BackendFailure.Rejected), "UPSTREAM_REJECTED", "UPSTREAM_FAILED")]
    [InlineData(nameof(BackendFailure.Misconfigured), "UPSTREAM_MISCONFIGURED", "UPSTREAM_FAILED")]
    [InlineData(nameof(BackendFailure.ContextTooLong), "CONTEXT_TOO_LONG", "UPSTREAM_FAILED")]
    [InlineData(nameof(BackendFailure.Stalled), "FIRST_TOKEN_TIMEOUT", "UPSTREAM_STALLED")]
    [InlineData(nameof(BackendFailure.Truncated), "UPSTREAM_UNAVAILABLE", "UPSTREAM_TRUNCATED")]
    [InlineData(nameof(BackendFailure.Malformed), "UPSTREAM_UNAVAILABLE", "UPSTREAM_MALFORMED")]
    [InlineData(nameof(BackendFailure.Failed), "UPSTREAM_UNAVAILABLE", "UPSTREAM_FAILED")]
    public void BackendFailure_MeansAnotherReasonAfterTheFirstToken(string failure, string before, string after)
    {
        var value = Enum.Parse<BackendFailure>(failure);

        ErrorTable.NameOf(ErrorTable.ReasonOf(value, delivered: false)).ShouldBe(before);
        ErrorTable.NameOf(ErrorTable.ReasonOf(value, delivered: true)).ShouldBe(after);
    }

    [Fact]
    public void BackendFailure_AfterTheFirstToken_IsNeverUnavailable()
    {
        foreach (var failure in Enum.GetValues<BackendFailure>())
        {
            ErrorTable.StatusOf(ErrorTable.ReasonOf(failure, delivered: true), delivered: true)
                .ShouldBe(StatusCode.Aborted, $"{failure}");
        }
    }

    [Fact]
    public void FinishReason_NameIsLowerCase() => ErrorTable.NameOf(FinishReason.TimeBudget).ShouldBe("time_budget");
}
