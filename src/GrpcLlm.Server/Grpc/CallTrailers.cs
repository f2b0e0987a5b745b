using System.Buffers.Text;
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

    /// <summary>A serialized <c>xds.data.orca.v3.OrcaLoadReport</c>: how busy this process is (gRFC A51).</summary>
    public const string LoadReport = "endpoint-load-metrics-bin";

    /// <summary>Fewer bytes than all trailers have together, as encoded.</summary>
    public const int MaxBytes = 4096;

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
        WriteLoad(context, record);
    }

    /// <summary>Writes status and trailers of a generation that failed.</summary>
    public static void WriteFailure(ServerCallContext context, GenerationRecord record, CallFailureException failure)
    {
        context.ResponseTrailers.Add(FinishReasonName, "error");
        WriteCommon(context, record);
        context.Status = FailureStatus.Write(
            context.ResponseTrailers, failure, record.Delivered, record.LastSequence, record.StreamedTokens, record.Backend);
        WriteLoad(context, record);
    }

    private static void WriteCommon(ServerCallContext context, GenerationRecord record)
    {
        context.ResponseTrailers.Add(RequestId, record.RequestId);
        context.ResponseTrailers.Add(Summary, Fit(record.BuildSummary()).ToByteArray());
    }

    /// <summary>Last, and only where it fits.</summary>
    private static void WriteLoad(ServerCallContext context, GenerationRecord record)
    {
        if (record.Load is not { } load) return;
        record.TellLoad();
        var report = load.Report().ToByteArray();
        var bytes = "grpc-status".Length + 2 + "grpc-message".Length + FailureStatus.MaxMessageBytes
            + LoadReport.Length + Base64.GetMaxEncodedToUtf8Length(report.Length);
        foreach (var entry in context.ResponseTrailers)
            bytes += entry.Key.Length + (entry.IsBinary ? Base64.GetMaxEncodedToUtf8Length(entry.ValueBytes.Length) : entry.Value.Length);
        if (bytes < MaxBytes) context.ResponseTrailers.Add(LoadReport, report);
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
