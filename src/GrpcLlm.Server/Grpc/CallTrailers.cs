using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// The trailers of a generation: under 4 KiB together as encoded, since some proxies mangle larger ones.
/// Stateless and thread-safe.
/// </summary>
internal static class CallTrailers
{
    /// <summary>Name of the generation; a response header too.</summary>
    public const string RequestId = "request-id";

    /// <summary>Finish reason in lower case; <c>error</c> when the status is not OK.</summary>
    public const string FinishReasonName = "finish-reason";

    /// <summary>A serialized <see cref="GenerationSummary"/>.</summary>
    public const string Summary = "generation-summary-bin";

    /// <summary>A serialized <c>google.rpc.Status</c>.</summary>
    public const string StatusDetails = "grpc-status-details-bin";

    /// <summary>Milliseconds until a retry makes sense; -1: do not retry (gRFC A6).</summary>
    public const string RetryPushback = "grpc-retry-pushback-ms";

    /// <summary>Most bytes of the summary before base64.</summary>
    public const int MaxSummaryBytes = 1536;

    /// <summary>Attempts told in the summary.</summary>
    public const int MaxAttemptsTold = 8;

    private const int MaxBackendModelBytes = 128;

    /// <summary>Writes the trailers of a generation that finished.</summary>
    public static void WriteFinish(ServerCallContext context, GenerationRecord record)
    {
        context.ResponseTrailers.Add(FinishReasonName, ErrorTable.NameOf(record.FinishReason));
        WriteCommon(context, record);
    }

    /// <summary>Writes status and trailers of a generation that failed.</summary>
    public static void WriteFailure(ServerCallContext context, GenerationRecord record, CallFailureException failure)
    {
        context.ResponseTrailers.Add(FinishReasonName, "error");
        WriteCommon(context, record);
        context.Status = FailureStatus.Write(
            context.ResponseTrailers, failure, record.Delivered, record.LastSequence, record.StreamedTokens, record.Backend);
    }

    private static void WriteCommon(ServerCallContext context, GenerationRecord record)
    {
        context.ResponseTrailers.Add(RequestId, record.RequestId);
        context.ResponseTrailers.Add(Summary, Fit(record.BuildSummary()).ToByteArray());
    }

    /// <summary>
    /// Cuts a summary to its size: the latest attempts, then a shorter name from the upstream, then fewer attempts, then
    /// no filter. What is left is bounded by configuration and validation, and fits.
    /// </summary>
    private static GenerationSummary Fit(GenerationSummary summary)
    {
        var attempts = summary.AttemptLog;
        while (attempts.Count > MaxAttemptsTold) attempts.RemoveAt(0);
        if (IsTooLarge()) summary.BackendModel = Utf8Text.Cut(summary.BackendModel, MaxBackendModelBytes);
        while (attempts.Count > 0 && IsTooLarge()) attempts.RemoveAt(0);
        if (IsTooLarge()) summary.ContentFilter = null;
        return summary;

        bool IsTooLarge() => summary.CalculateSize() > MaxSummaryBytes;
    }
}
