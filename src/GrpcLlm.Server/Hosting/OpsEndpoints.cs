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
        Map(app, "/healthz", static _ => Results.Text("ok\n"));
        Map(app, "/readyz", static context => context.RequestServices.GetRequiredService<Readiness>().Read().Ready
            ? Results.Text("ready\n")
            : Results.Text("not ready\n", statusCode: (int)HttpStatusCode.ServiceUnavailable));
        Map(app, "/status", StatusEndpoints.Page);
        Map(app, "/status.json", StatusEndpoints.Figures);
        Map(app, "/metrics", ScrapeAsync);
    }

    // As plain request delegates: an endpoint whose parameters are bound by reflection is compiled from expressions when
    // the first call is routed, whatever it calls.
    private static void Map(WebApplication app, string path, Func<HttpContext, IResult> answer) =>
        Map(app, path, context => Task.FromResult(answer(context)));

    private static void Map(WebApplication app, string path, Func<HttpContext, Task<IResult>> answer) =>
        app.MapGet(path, async context =>
        {
            var result = HttpProtocol.IsHttp2(context.Request.Protocol) ? Results.NotFound() : await answer(context);
            await result.ExecuteAsync(context);
        });

    private static async Task<IResult> ScrapeAsync(HttpContext context)
    {
        var format = WantsOpenMetrics(context.Request) ? PrometheusFormat.OpenMetrics : PrometheusFormat.Text;
        return await context.RequestServices.GetRequiredService<PrometheusExporter>().ScrapeAsync(format, context.RequestAborted) is { } text
            ? Results.Text(text, format == PrometheusFormat.OpenMetrics ? OpenMetricsType : TextType)
            : Results.Text("no metrics\n", statusCode: (int)HttpStatusCode.ServiceUnavailable);
    }

    // Whoever can read it asks for it first; the quality of further versions does not matter.
    private static bool WantsOpenMetrics(HttpRequest request) =>
        request.GetTypedHeaders().Accept.Any(static type => type.MediaType == "application/openmetrics-text");
}
