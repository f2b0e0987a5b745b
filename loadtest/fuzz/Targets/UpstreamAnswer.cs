using System.Net;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>Reads an answer as the service does, from the HTTP message to the events; only the socket is missing.</summary>
internal static class UpstreamAnswer
{
    /// <summary>A key that must not appear in any message.</summary>
    public const string Key = "sk-fuzz-0123456789abcdef";

    private const int MaxMessageChars = 256;

    /// <summary>The events, and the failure that ended them; null: they ended by themselves.</summary>
    public static (List<BackendEvent> Events, BackendException? Failure) Read(ProviderFormat format, StreamInput input, Stream body)
    {
        using var http = Connect(format, input, () => body);
        var task = ReadAsync(format, http);
        FindingException.Unless(task.IsCompleted, "waits for something although the whole body is at hand");
        return task.GetAwaiter().GetResult();
    }

    /// <summary>A provider that gives the same answer to everything.</summary>
    public static HttpMessageInvoker Connect(ProviderFormat format, StreamInput input, Func<Stream> body) =>
        new(new Handler(format, input, body));

    private static async Task<(List<BackendEvent> Events, BackendException? Failure)> ReadAsync(ProviderFormat format, HttpMessageInvoker http)
    {
        var options = new HttpBackendOptions
        {
            BaseUrl = ProviderFormat.Timeouts.BaseUrl, FirstTokenTimeout = ProviderFormat.Timeouts.FirstTokenTimeout,
            IdleTimeout = ProviderFormat.Timeouts.IdleTimeout, ApiKeys = [Key],
        };
        await using var backend = new HttpBackend("fuzz", format.Provider, options, http, TimeProvider.System);
        var events = new List<BackendEvent>();
        try
        {
            await foreach (var one in backend.GenerateAsync(new BackendCall(new GenerateRequest { Prompt = "p" }, "m"), CancellationToken.None))
                events.Add(one);
            return (events, null);
        }
        catch (BackendException exception)
        {
            FindingException.Unless(!exception.Message.Contains(Key, StringComparison.Ordinal), "a message holds the key");
            FindingException.Unless(exception.Message.Length <= MaxMessageChars, $"a message of {exception.Message.Length} characters");
            FindingException.Unless(!exception.Message.Any(char.IsControl), "a message of several lines");
            FindingException.Unless(ChunkRules.IsWhole(exception.Message), "a message with half a character");
            return (events, exception);
        }
    }

    private sealed class Handler(ProviderFormat format, StreamInput input, Func<Stream> body) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var response = new HttpResponseMessage((HttpStatusCode)input.Status) { Content = new StreamContent(body()) };
            var type = input.SaysType ? input.MediaType : format.MediaType;
            if (type is not null) response.Content.Headers.TryAddWithoutValidation("Content-Type", type);
            if (input.RetryAfter is { } after) response.Headers.TryAddWithoutValidation("Retry-After", after);
            if (input.RetryAfterMilliseconds is { } milliseconds) response.Headers.TryAddWithoutValidation("retry-after-ms", milliseconds);
            return Task.FromResult(response);
        }
    }
}
