using System.Text.Json;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>
/// Recognises an error where a chunk should be: <c>error</c> alone or beside choices (OpenRouter), an event of that name
/// (Groq), or the bare error object of older servers. Stateless and thread-safe.
/// </summary>
internal static class OpenAiError
{
    private static readonly string[] StatusNames = ["status_code", "code", "status", "http_status"];

    /// <summary>The failure that a document reports; null if it reports none.</summary>
    public static BackendException? Of(JsonElement root, string eventType, string secret)
    {
        if (root.ValueKind == JsonValueKind.Array && root.GetArrayLength() > 0) root = root[0];
        if (ErrorIn(root, eventType) is not { } error) return null;
        var word = JsonText.Read(error, "code") is { Length: > 0 } code ? code : JsonText.Read(error, "type");
        var message = UpstreamRefusal.MessageOf(error);
        if (message.Length == 0) message = word;
        else if (word == "context_length_exceeded") message = $"{word}: {message}";
        return UpstreamRefusal.InStream(StatusOf(error) ?? StatusOf(root) ?? StatusOf(word), message, secret);
    }

    private static JsonElement? ErrorIn(JsonElement root, string eventType)
    {
        if (root.ValueKind == JsonValueKind.Object)
        {
            if (root.TryGetProperty("error", out var error) && IsSomething(error)) return error;
            if (root.TryGetProperty("choices", out _)) return null;

            // vLLM once, Mistral: {"object":"error","message":…}; FastAPI: {"detail":…}.
            var isError = JsonText.Read(root, "object") == "error" || root.TryGetProperty("detail", out _)
                || JsonText.Read(root, "type").Contains("error", StringComparison.Ordinal);
            if (isError) return root;
        }

        return eventType == "error" ? root : null;
    }

    private static bool IsSomething(JsonElement error) => error.ValueKind switch
    {
        JsonValueKind.Object or JsonValueKind.Array or JsonValueKind.True => true,
        JsonValueKind.String => JsonText.Read(error).Length > 0,
        _ => false,
    };

    /// <summary>The HTTP status that an error names as a number, or as a number in a string.</summary>
    private static int? StatusOf(JsonElement error)
    {
        foreach (var name in StatusNames)
        {
            var status = JsonText.Count(error, name)
                ?? (uint.TryParse(JsonText.Read(error, name), out var number) ? number : null);
            if (status is >= 400 and <= 599) return (int)status;
        }

        return null;
    }

    /// <summary>The HTTP status that goes with OpenAI's words; 500 for any other.</summary>
    private static int StatusOf(string word) => word switch
    {
        "rate_limit_exceeded" or "rate_limit_error" or "insufficient_quota" or "tokens" or "requests" => 429,
        "context_length_exceeded" or "invalid_request_error" or "BadRequestError" => 400,
        "invalid_api_key" or "authentication_error" => 401,
        "permission_error" => 403,
        "model_not_found" or "not_found_error" or "NotFoundError" => 404,
        _ => 500,
    };
}
