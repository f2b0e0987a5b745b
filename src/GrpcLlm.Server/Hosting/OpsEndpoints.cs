using System.Net;
using GrpcLlm.Server.Ops;
using GrpcLlm.Server.Telemetry.Prometheus;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// The pages for operators, over HTTP/1.1 on the ops endpoint: <c>/healthz</c> (the process lives) and <c>/readyz</c>
/// (it takes calls), which tell nothing of callers, models or keys; <c>/metrics</c> for Prometheus, which tells names of
/// models, tenants and backends, and labels of keys; and <c>/status</c> for people, see <see cref="StatusEndpoints"/>. Not
/// served over HTTP/2, so the endpoint for gRPC, which more people reach, does not have them.
/// </summary>
internal static class OpsEndpoints
{
    private const string TextType = "text/plain; version=0.0.4; charset=utf-8";
    private const string OpenMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    public static void Map(WebApplication app)
    {
        var ops = app.MapGroup("").AddEndpointFilter(static async (context, next) =>
            HttpProtocol.IsHttp2(context.HttpContext.Request.Protocol) ? Results.NotFound() : await next(context));
        ops.MapGet("/healthz", static () => Results.Text("ok\n"));
        ops.MapGet("/readyz", static (Readiness readiness) => readiness.Read().Ready
            ? Results.Text("ready\n")
            : Results.Text("not ready\n", statusCode: (int)HttpStatusCode.ServiceUnavailable));
        StatusEndpoints.Map(ops);
        ops.MapGet("/metrics", static async (HttpRequest request, PrometheusExporter exporter, CancellationToken cancelled) =>
        {
            var format = WantsOpenMetrics(request) ? PrometheusFormat.OpenMetrics : PrometheusFormat.Text;
            return await exporter.ScrapeAsync(format, cancelled) is { } text
                ? Results.Text(text, format == PrometheusFormat.OpenMetrics ? OpenMetricsType : TextType)
                : Results.Text("no metrics\n", statusCode: (int)HttpStatusCode.ServiceUnavailable);
        });
    }

    // Whoever can read it asks for it first; the quality of further versions does not matter.
    private static bool WantsOpenMetrics(HttpRequest request) =>
        request.GetTypedHeaders().Accept.Any(static type => type.MediaType == "application/openmetrics-text");
}
