using System.Diagnostics;
using System.Text.Json;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Http.Features;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Completes the span that ASP.NET Core makes for each request, whose parent came in the call's metadata: for a gRPC call it
/// has the name and status of the call, not of the HTTP exchange, which is 200 even where a failure travels in the trailers.
/// One span per call, so no second one stands between the caller's and the attempts'. Stateless and thread-safe.
/// </summary>
internal static class ServerSpan
{
    // Set by Grpc.AspNetCore.Server when a call ends, whichever way.
    private const string FrameworkStatusCode = "grpc.status_code";

    /// <summary>The span of a request; null while nobody listens, or where it is not recorded.</summary>
    public static Activity? Of(HttpContext http) =>
        http.Features.Get<IHttpActivityFeature>()?.Activity is { IsAllDataRequested: true } span && span.Source.HasListeners()
            ? span
            : null;

    /// <summary>Id of the trace that a request belongs to, whoever records it; empty if there is none.</summary>
    public static string TraceIdOf(HttpContext http) =>
        http.Features.Get<IHttpActivityFeature>()?.Activity is { IdFormat: ActivityIdFormat.W3C } span ? span.TraceId.ToHexString() : "";

    /// <summary>Runs a request and then tells what call it was; anything but gRPC stays as it is.</summary>
    public static Task RunAsync(HttpContext http, RequestDelegate next) =>
        Of(http) is { } span && http.GetEndpoint()?.Metadata.GetMetadata<GrpcMethodMetadata>() is { } rpc
            ? RunAsync(http, next, span, rpc.Method)
            : next(http);

    /// <summary>Tells why a call failed. For a client that is at fault the span is no error, unless its status says so.</summary>
    public static void Fail(HttpContext http, ErrorReason reason)
    {
        if (Of(http) is not { } span) return;
        span.SetTag(TelemetryNames.ErrorType, ErrorTable.NameOf(reason));
        span.SetTag(SpanNames.Fault, ErrorTable.NameOf(ErrorTable.FaultOf(reason)));
        if (ErrorTable.FaultOf(reason) != Fault.Client) span.SetStatus(ActivityStatusCode.Error);
    }

    /// <summary>Tells of a generation that ended.</summary>
    public static void Tell(HttpContext http, GenerationRecord record)
    {
        if (Of(http) is not { } span) return;
        span.SetTag(TelemetryNames.OperationName, TelemetryNames.Chat);
        span.SetTag(TelemetryNames.RequestModel, record.ModelName);
        span.SetTag(SpanNames.RequestStream, true);
        span.SetTag(SpanNames.RequestId, record.RequestId);
        if (record.Tenant.Name.Length > 0) span.SetTag(SpanNames.Tenant, record.Tenant.Name);
        span.SetTag(SpanNames.Attempts, record.Attempts.Count);
        if (record.Backend.Length > 0) span.SetTag(SpanNames.Backend, record.Backend);
        if (record.Opening.Model.Length > 0)
            span.SetTag(TelemetryNames.ResponseModel, Utf8Text.Cut(record.Opening.Model, GenerationRecord.MaxModelBytes));
        foreach (var (key, value) in record.Labels) span.SetTag(SpanNames.LabelPrefix + key, value);
        SpanUsage.Set(span, record.FinalUsage);
        if (record.FinalCost is { } cost)
        {
            span.SetTag(SpanNames.Cost, (double)cost);
            span.SetTag(SpanNames.CostCurrency, record.Price!.Currency);
        }

        if (record.ErrorReason != ErrorReason.Unspecified) Fail(http, record.ErrorReason);
        else span.SetTag(SpanNames.FinishReasons, new[] { ErrorTable.NameOf(record.FinishReason) });
    }

    private static async Task RunAsync(HttpContext http, RequestDelegate next, Activity span, IMethod method)
    {
        span.DisplayName = $"{method.ServiceName}/{method.Name}";
        span.SetTag(SpanNames.RpcMethod, span.DisplayName);
        span.SetTag(SpanNames.RpcSystem, "grpc");
        try
        {
            await next(http);
        }
        finally
        {
            TellStatus(span);
        }
    }

    private static void TellStatus(Activity span)
    {
        if (!Enum.TryParse<StatusCode>(span.GetTagItem(FrameworkStatusCode) as string, out var code)) return;
        var name = JsonNamingPolicy.SnakeCaseUpper.ConvertName(code.ToString());
        span.SetTag(SpanNames.RpcStatusCode, name);
        if (code == StatusCode.OK) return;
        if (span.GetTagItem(TelemetryNames.ErrorType) is null) span.SetTag(TelemetryNames.ErrorType, name);
        if (IsServerError(code)) span.SetStatus(ActivityStatusCode.Error);
    }

    // What the conventions call an error on the server's side.
    private static bool IsServerError(StatusCode code) => code is StatusCode.Unknown or StatusCode.DeadlineExceeded
        or StatusCode.Unimplemented or StatusCode.Internal or StatusCode.Unavailable or StatusCode.DataLoss;
}
