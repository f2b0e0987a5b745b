using System.Net;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// The pages for operators, over HTTP/1.1 on the ops endpoint: <c>/healthz</c> (the process lives) and <c>/readyz</c>
/// (it takes calls). They tell nothing of callers, models or keys. Not served over HTTP/2, so the endpoint for gRPC,
/// which more people reach, does not have them.
/// </summary>
internal static class OpsEndpoints
{
    public static void Map(WebApplication app)
    {
        var ops = app.MapGroup("").AddEndpointFilter(static async (context, next) =>
            HttpProtocol.IsHttp2(context.HttpContext.Request.Protocol) ? Results.NotFound() : await next(context));
        ops.MapGet("/healthz", static () => Results.Text("ok\n"));
        ops.MapGet("/readyz", static (Readiness readiness) => readiness.Read().Ready
            ? Results.Text("ready\n")
            : Results.Text("not ready\n", statusCode: (int)HttpStatusCode.ServiceUnavailable));
    }
}
