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

    /// <summary>Serves them.</summary>
    public static void Map(IEndpointRouteBuilder ops)
    {
        ops.MapGet("/status", static (HttpResponse response, StatusReader reader) =>
        {
            Guard(response.Headers);
            response.Headers.ContentSecurityPolicy = StatusPage.ContentSecurityPolicy;
            return Results.Text(StatusPage.Render(reader.Read()), "text/html; charset=utf-8");
        });
        ops.MapGet("/status.json", static (HttpResponse response, StatusReader reader) =>
        {
            Guard(response.Headers);
            return Results.Text(JsonSerializer.Serialize(reader.Read(), Json), "application/json; charset=utf-8");
        });
    }

    private static void Guard(IHeaderDictionary headers)
    {
        headers.CacheControl = "no-store";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
    }
}
