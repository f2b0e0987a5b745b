using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.V1;
using RpcStatus = Google.Rpc.Status;
using Status = Grpc.Core.Status;

namespace GrpcLlm.Client.Tests;

/// <summary>Failures as a server sends them: status, details, pushback, summary.</summary>
internal static class ServerFailure
{
    public static RpcException Of(
        StatusCode code, string reason, string message, bool retrySafe = false, ulong lastSequence = 0,
        uint streamedTokens = 0, string? pushback = "-1", string domain = "grpcllm", params IMessage[] extras)
    {
        var status = new RpcStatus { Code = (int)code, Message = message };
        status.Details.Add(Any.Pack(new ErrorInfo
        {
            Domain = domain,
            Reason = reason,
            Metadata =
            {
                ["last_sequence"] = lastSequence.ToString(),
                ["streamed_tokens"] = streamedTokens.ToString(),
                ["retry_safe"] = retrySafe ? "true" : "false",
                ["backend"] = "openai",
            },
        }));
        status.Details.Add(extras.Select(Any.Pack));
        var trailers = new Metadata
        {
            { "finish-reason", "error" },
            { "request-id", Chunks.RequestId },
            { "generation-summary-bin", Summary(streamedTokens).ToByteArray() },
            { "grpc-status-details-bin", status.ToByteArray() },
        };
        if (pushback is not null) trailers.Add("grpc-retry-pushback-ms", pushback);
        return new RpcException(new Status(code, message), trailers);
    }

    /// <summary>A failure of which nothing but the bare status and these trailers arrive.</summary>
    public static RpcException Bare(StatusCode code, string message, Metadata? trailers = null) =>
        new(new Status(code, message), trailers ?? []);

    private static GenerationSummary Summary(uint streamedTokens) => new()
    {
        RequestId = Chunks.RequestId,
        Attempts = 2,
        StreamedTokens = streamedTokens,
        Usage = new Usage { OutputTokens = streamedTokens, Source = UsageSource.Counted },
    };
}
