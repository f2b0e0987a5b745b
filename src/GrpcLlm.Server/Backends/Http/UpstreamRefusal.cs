using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// Reads what a provider says when it refuses: an HTTP status with a body before the stream, or an error inside it. Its
/// message is passed on only bounded, on one line and with secrets taken out. Stateless and thread-safe.
/// </summary>
internal static partial class UpstreamRefusal
{
    private const int MaxBodyBytes = 64 * 1024;
    private const int MaxMessageChars = 160;

    /// <summary>The failure of an answer whose status is no success.</summary>
    public static async Task<BackendException> ReadAsync(UpstreamExchange exchange, HttpResponseMessage response)
    {
        var status = (int)response.StatusCode;
        try
        {
            using var body = JsonDocument.Parse(await exchange.ReadAllAsync(MaxBodyBytes));
            if (exchange.EndingOf(status, body.RootElement) is { } ending)
                return new BackendException(BackendFailure.Rejected, "The backend blocked the prompt.") { Ending = ending };
            var retryAfter = RetryAfterOf(response, exchange.TimeProvider) ?? RetryDelayOf(body.RootElement);
            return Of(status, MessageOf(body.RootElement), exchange.Secret, retryAfter);
        }
        catch (Exception exception) when (exception is BackendException or JsonException or InvalidOperationException)
        {
            // The status says enough; a body that cannot be read, or a proxy's HTML, adds nothing to quote.
            return Of(status, "", exchange.Secret, RetryAfterOf(response, exchange.TimeProvider));
        }
    }

    /// <summary>The failure that a status and a provider's message mean.</summary>
    /// <param name="status">HTTP status, or the one that an error inside a stream names; 500 where it names none.</param>
    /// <param name="message">The provider's own words, not yet safe.</param>
    /// <param name="secret">Key that must not appear; empty for none.</param>
    /// <param name="retryAfter">When the provider says to come back.</param>
    public static BackendException Of(int status, string message, string secret = "", TimeSpan? retryAfter = null)
    {
        var keyRefused = IsKeyRefused(status, message);
        var failure = status switch
        {
            _ when keyRefused => BackendFailure.Misconfigured,
            400 or 413 or 422 when IsContextTooLong(message) => BackendFailure.ContextTooLong,
            404 or (>= 300 and < 400) => BackendFailure.Misconfigured,
            408 or >= 500 => BackendFailure.Unavailable,
            429 => BackendFailure.RateLimited,
            _ => BackendFailure.Rejected,
        };
        var safe = Safe(message, secret);
        var text = failure == BackendFailure.Misconfigured
            ? $"The backend answered {status}; its key, URL or model name is wrong."
            : $"The backend answered {status}{(safe.Length > 0 ? ": " + safe : ".")}";
        return new BackendException(failure, text) { RetryAfter = retryAfter, HttpStatus = status, KeyRefused = keyRefused };
    }

    /// <summary>
    /// The failure that an error inside a stream means: the provider failed, and while no token was delivered it counts
    /// as the status that it names.
    /// </summary>
    /// <param name="status">The HTTP status that it names; 500 where it names none.</param>
    /// <param name="message">The provider's own words, not yet safe.</param>
    /// <param name="secret">Key that must not appear; empty for none.</param>
    public static BackendException InStream(int status, string message, string secret = "")
    {
        var refusal = Of(status, message, secret);
        return new BackendException(BackendFailure.Failed, refusal.Message) { BeforeFirstToken = refusal.Failure };
    }

    /// <summary>The words of an error object: <c>error.message</c>, <c>error</c>, <c>message</c> or <c>detail</c>.</summary>
    public static string MessageOf(JsonElement body)
    {
        if (body.ValueKind == JsonValueKind.Array && body.GetArrayLength() > 0) body = body[0];
        if (body.ValueKind == JsonValueKind.String) return JsonText.Read(body);
        if (body.ValueKind != JsonValueKind.Object) return "";
        foreach (var name in new[] { "error", "message", "detail" })
        {
            if (body.TryGetProperty(name, out var inner) && MessageOf(inner) is { Length: > 0 } message) return message;
        }

        return "";
    }

    private static TimeSpan? RetryAfterOf(HttpResponseMessage response, TimeProvider timeProvider)
    {
        // Milliseconds, as OpenAI and Azure send them, are the more exact.
        if (response.Headers.TryGetValues("retry-after-ms", out var values)
            && double.TryParse(values.First(), out var milliseconds) && milliseconds is >= 0 and < 86_400_000)
            return TimeSpan.FromMilliseconds(milliseconds);
        var header = response.Headers.RetryAfter;
        if (header?.Delta is { } delta) return delta;
        if (header?.Date is not { } date) return null;

        // By the provider's own clock where it tells it, so that two clocks that differ do no harm.
        var now = response.Headers.Date ?? timeProvider.GetUtcNow();
        return date > now ? date - now : TimeSpan.Zero;
    }

    /// <summary>The <c>google.rpc.RetryInfo</c> of an error body, which Gemini sends instead of the header.</summary>
    private static TimeSpan? RetryDelayOf(JsonElement body)
    {
        if (body.ValueKind == JsonValueKind.Array && body.GetArrayLength() > 0) body = body[0];
        if (JsonText.Child(body, "error") is not { } error
            || JsonText.Child(error, "details") is not { ValueKind: JsonValueKind.Array } details) return null;
        foreach (var detail in details.EnumerateArray())
        {
            var delay = JsonText.Read(detail, "retryDelay").AsSpan().TrimEnd('s');
            if (double.TryParse(delay, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds)
                && seconds is >= 0 and < 86_400) return TimeSpan.FromSeconds(seconds);
        }

        return null;
    }

    private static string Safe(string message, string secret)
    {
        if (secret.Length > 0) message = message.Replace(secret, "…", StringComparison.Ordinal);
        message = SecretPattern().Replace(message, "…");
        var clean = new StringBuilder(Math.Min(message.Length, MaxMessageChars));
        foreach (var one in message.EnumerateRunes())
        {
            if (clean.Length >= MaxMessageChars) break;
            if (Rune.IsControl(one)) clean.Append(' ');
            else clean.Append(one.ToString());
        }

        return clean.ToString().Trim();
    }

    private static bool IsKeyRefused(int status, string message) => status switch
    {
        401 => true,
        // Some answer 403 to an input that they moderate: no fault of the key, which others go on using.
        403 => !ModerationPattern().IsMatch(message),
        // Gemini's status for a key that it does not know.
        400 => message.Contains("API key not valid", StringComparison.OrdinalIgnoreCase),
        _ => false,
    };

    private static bool IsContextTooLong(string message) => ContextPattern().IsMatch(message);

    /// <summary>What looks like a key: a provider may quote one that it was sent, in part or whole.</summary>
    [GeneratedRegex(
        @"(?i)\b(sk|pk|rk|gsk|xai|key|Bearer|AIza)[-_ ]?[A-Za-z0-9*_\-]{8,}|[A-Za-z0-9+/_\-]{40,}",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex SecretPattern();

    /// <summary>How providers say that they moderated an input.</summary>
    [GeneratedRegex(
        @"(?i)moderat|flagged|content policy|content_policy|safety",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ModerationPattern();

    /// <summary>How providers say that a prompt does not fit the window.</summary>
    [GeneratedRegex(
        @"(?i)context[_ ]length|context window|maximum context|prompt is too long|too many (input )?tokens|"
        + @"exceeds? the (maximum|available) (number of tokens|context)|input token count|exceed.*context",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ContextPattern();
}
