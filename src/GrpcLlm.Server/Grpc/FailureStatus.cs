using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;
using RpcStatus = Google.Rpc.Status;
using Status = Grpc.Core.Status;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// A failure as gRPC tells it: status, <c>grpc-status-details-bin</c> with exactly one ErrorInfo and what belongs to the
/// reason, and the retry pushback. Stateless and thread-safe.
/// </summary>
internal static class FailureStatus
{
    /// <summary>Domain of every ErrorInfo.</summary>
    public const string Domain = "grpcllm";

    /// <summary>Most bytes of the details before base64.</summary>
    public const int MaxDetailBytes = 1024;

    /// <summary>Most bytes of the status message as sent, percent-encoded.</summary>
    public const int MaxMessageBytes = 256;

    /// <summary>Writes the trailers of a failure.</summary>
    /// <returns>The status to end the call with.</returns>
    public static Status Write(
        Metadata trailers, CallFailureException failure, bool delivered, ulong lastSequence, uint streamedTokens,
        string backend)
    {
        var code = ErrorTable.StatusOf(failure.Reason, delivered);
        var message = CutEncoded(failure.Message, MaxMessageBytes);
        TimeSpan? retryAfter = ErrorTable.HasRetryInfo(failure.Reason, delivered)
            ? Whole(failure.RetryAfter ?? ErrorTable.DefaultRetryAfter)
            : null;

        var status = new RpcStatus { Code = (int)code, Message = message };
        status.Details.Add(Any.Pack(new ErrorInfo
        {
            Domain = Domain,
            Reason = ErrorTable.NameOf(failure.Reason),
            Metadata =
            {
                ["last_sequence"] = lastSequence.ToString(CultureInfo.InvariantCulture),
                ["streamed_tokens"] = streamedTokens.ToString(CultureInfo.InvariantCulture),
                ["retry_safe"] = ErrorTable.IsRetrySafe(failure.Reason, delivered) ? "true" : "false",
                ["backend"] = backend,
            },
        }));
        if (retryAfter is { } wait) status.Details.Add(Any.Pack(new RetryInfo { RetryDelay = Duration.FromTimeSpan(wait) }));
        if (failure.Reason == ErrorReason.ModelNotFound)
        {
            status.Details.Add(Any.Pack(new ResourceInfo
            {
                ResourceType = "grpcllm.v1.Model",
                ResourceName = Utf8Text.Cut(failure.ResourceName, 256),
            }));
        }

        if (failure.QuotaLimit.Length > 0)
        {
            status.Details.Add(Any.Pack(new QuotaFailure
            {
                Violations =
                {
                    new QuotaFailure.Types.Violation
                    {
                        Subject = "tenant:" + Utf8Text.Cut(failure.QuotaTenant, 256), Description = failure.QuotaLimit,
                    },
                },
            }));
        }

        if (!failure.Violations.IsEmpty) AddViolations(status, failure.Violations);
        trailers.Add(CallTrailers.StatusDetails, status.ToByteArray());
        trailers.Add(
            CallTrailers.RetryPushback,
            retryAfter is { } delay ? ((long)delay.TotalMilliseconds).ToString(CultureInfo.InvariantCulture) : "-1");
        return new Status(code, message);
    }

    /// <summary>A failure of a unary method, for the framework to end the call with.</summary>
    public static RpcException ToException(CallFailureException failure)
    {
        var trailers = new Metadata();
        return new RpcException(Write(trailers, failure, delivered: false, 0, 0, ""), trailers);
    }

    /// <summary>A wait as both RetryInfo and the pushback can tell it: whole milliseconds, within 32 bits.</summary>
    private static TimeSpan Whole(TimeSpan wait) =>
        TimeSpan.FromMilliseconds(Math.Clamp(Math.Ceiling(wait.TotalMilliseconds), 0, int.MaxValue));

    /// <summary>Adds as many violations as fit; the last one says how many more there are.</summary>
    private static void AddViolations(RpcStatus status, Violations violations)
    {
        const int roomForRest = 64;
        var badRequest = new BadRequest();
        var room = MaxDetailBytes - roomForRest - status.CalculateSize() - CodedOutputStream.ComputeStringSize("type.googleapis.com/google.rpc.BadRequest");
        foreach (var violation in violations)
        {
            badRequest.FieldViolations.Add(new BadRequest.Types.FieldViolation
            {
                Field = Utf8Text.Cut(violation.Field, 128),
                Description = Utf8Text.Cut(violation.Description, 200),
            });
            if (badRequest.CalculateSize() <= room) continue;
            badRequest.FieldViolations.RemoveAt(badRequest.FieldViolations.Count - 1);
            break;
        }

        var rest = violations.Count - badRequest.FieldViolations.Count;
        if (rest > 0)
            badRequest.FieldViolations.Add(new BadRequest.Types.FieldViolation { Description = $"and {rest} more" });
        status.Details.Add(Any.Pack(badRequest));
    }

    /// <summary>Cuts a text to what fits once percent-encoded (gRPC over HTTP/2: all but 0x20 to 0x7E, and '%').</summary>
    private static string CutEncoded(string text, int maxBytes)
    {
        var bytes = 0;
        var chars = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            var plain = rune.Value is >= 0x20 and <= 0x7E and not '%';
            bytes += plain ? 1 : 3 * rune.Utf8SequenceLength;
            if (bytes > maxBytes) return text[..chars];
            chars += rune.Utf16SequenceLength;
        }

        return text;
    }
}
