using System.Text.Json;
using System.Text.Json.Serialization;

namespace GrpcLlm.Server.Ops;

/// <summary>
/// <c>/status</c>, a page for people, and <c>/status.json</c>, its figures for scripts. Anonymous like the other pages for
/// operators: they tell configured names of models and backends and labels of keys, and nothing of callers: no tenants,
/// request ids, labels, prompts or keys.
/// </summary>
internal static class StatusEndpoints
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        WriteIndented = true,
    };

    /// <summary>The page.</summary>
    public static IResult Page(HttpContext context)
    {
        Guard(context.Response.Headers);
        context.Response.Headers.ContentSecurityPolicy = StatusPage.ContentSecurityPolicy;
        return Results.Text(StatusPage.Render(Read(context)), "text/html; charset=utf-8");
    }

    /// <summary>The figures.</summary>
    public static IResult Figures(HttpContext context)
    {
        Guard(context.Response.Headers);
        return Results.Text(JsonSerializer.Serialize(Read(context), Json), "application/json; charset=utf-8");
    }

    private static StatusReport Read(HttpContext context) => context.RequestServices.GetRequiredService<StatusReader>().Read();

    private static void Guard(IHeaderDictionary headers)
    {
        headers.CacheControl = "no-store";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
    }
}
