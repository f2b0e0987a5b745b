using Grpc.AspNetCore.Server;
using Grpc.Core;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// Keeps the books of calls of Generate whose method never ran, since the framework ended them while it read the request:
/// one that is too large, badly framed or compressed, or whose client left meanwhile. Thread-safe.
/// </summary>
internal sealed class UnreadCalls(CallBooks books)
{
    /// <summary>Accounts for a call that ended, if nobody else did.</summary>
    public void CallEnded(HttpContext context)
    {
        if (IsGenerate(context) && context.Features.Get<GenerationRecord>() is null) Close(context);
    }

    // A request that is no gRPC gets an HTTP status of its own, and is no call.
    private static bool IsGenerate(HttpContext context) =>
        context.Response.StatusCode == StatusCodes.Status200OK
        && context.GetEndpoint()?.Metadata.GetMetadata<GrpcMethodMetadata>() is { } method
        && method.ServiceType == typeof(GenerationService) && method.Method.Name == nameof(GenerationService.Generate);

    private void Close(HttpContext context)
    {
        var local = LocalAddress.Of(context);
        var record = new GenerationRecord(
            context.Features.GetRequiredFeature<CallClock>(), Guid.NewGuid().ToString("N"))
        {
            LocalAddress = local.Text,
            LocalPort = local.Port,
            TraceId = ServerSpan.TraceIdOf(context),
        };
        record.Fail(ReasonOf(context));
        books.Close(context, record);
    }

    /// <summary>Nothing but reading the request was done, so the fault is the client's, whatever the framework calls it.</summary>
    private static ErrorReason ReasonOf(HttpContext context) => StatusOf(context) switch
    {
        _ when context.RequestAborted.IsCancellationRequested => ErrorReason.ClientCancelled,
        StatusCode.Cancelled => ErrorReason.ClientCancelled,
        StatusCode.DeadlineExceeded => ErrorReason.Deadline,
        null => ErrorReason.Internal,
        _ => ErrorReason.InvalidRequest,
    };

    private static StatusCode? StatusOf(HttpContext context)
    {
        // Among the headers where no message was sent, else among the trailers.
        var value = context.Response.Headers[HeaderNames.GrpcStatus];
        if (value.Count == 0 && context.Features.Get<IHttpResponseTrailersFeature>()?.Trailers is { } trailers)
            value = trailers[HeaderNames.GrpcStatus];
        return int.TryParse(value, out var code) ? (StatusCode)code : null;
    }
}
