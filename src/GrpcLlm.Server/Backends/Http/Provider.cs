using System.Text.Json;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>How a body holds its events.</summary>
internal enum BodyFormat
{
    /// <summary>Server-sent events (WHATWG HTML, section 9.2).</summary>
    ServerSentEvents,

    /// <summary>One JSON document a line.</summary>
    JsonLines,
}

/// <summary>
/// What is particular to one kind of provider: how it is asked and how its stream reads. Everything else (sockets,
/// timeouts, cancelling, failures) is <see cref="HttpBackend"/>'s. Instances are shared by all calls and thread-safe.
/// </summary>
internal abstract class Provider
{
    /// <summary>Kind in configuration, and the key in <c>provider_options_json</c>.</summary>
    public abstract string Kind { get; }

    /// <summary>Who it is in the words of the semantic conventions (<c>gen_ai.provider.name</c>); the kind where they have none.</summary>
    public virtual string ProviderName => Kind;

    /// <summary>How its stream holds events.</summary>
    public virtual BodyFormat Format => BodyFormat.ServerSentEvents;

    /// <summary>What is known of a model without asking the provider.</summary>
    public virtual BackendModel Describe(string model) => new();

    /// <summary>Names every field of a valid request that the provider cannot honour.</summary>
    public abstract void FindUnsupported(GenerateRequest request, string model, Violations violations);

    /// <summary>Path of a generation below the base URL, query included; no slash in front.</summary>
    public abstract string GeneratePath(BackendCall call);

    /// <summary>Puts credentials on a request. Not called where no key is configured.</summary>
    public abstract void Authorize(HttpRequestMessage request, string key);

    /// <summary>Puts on a request what the provider wants beside credentials.</summary>
    public virtual void AddHeaders(HttpRequestMessage request)
    {
    }

    /// <summary>
    /// Writes the body of a generation as one JSON object, all but the caller's provider options, which
    /// <see cref="HttpBackend"/> adds.
    /// </summary>
    /// <param name="json">Positioned inside the object: writes properties only.</param>
    /// <param name="call">The request.</param>
    public abstract void WriteBody(Utf8JsonWriter json, BackendCall call);

    /// <summary>
    /// Names of body parameters that <see cref="WriteBody"/> may set, so that no provider option sets them too.
    /// </summary>
    public abstract IReadOnlySet<string> OwnParameters { get; }

    /// <summary>
    /// Reads a refusal that is an answer in truth: the provider's filter blocked the prompt. Null for any other.
    /// </summary>
    /// <param name="status">HTTP status.</param>
    /// <param name="body">The error body.</param>
    public virtual BackendEnding? EndingOf(int status, JsonElement body) => null;

    /// <summary>Begins to read one answer.</summary>
    public abstract ProviderStream OpenStream(BackendCall call);

    /// <summary>
    /// Asks an endpoint of the provider's own about a model; null where it has none, or it does not know the model.
    /// </summary>
    /// <exception cref="BackendException">It failed.</exception>
    public virtual ValueTask<BackendModel?> AskModelAsync(
        string model, UpstreamRequests upstream, CancellationToken cancellationToken) => new((BackendModel?)null);

    /// <summary>
    /// Counts input tokens at an endpoint of the provider's own; null where it has none, or it could not be reached.
    /// </summary>
    public virtual ValueTask<InputTokenCount?> CountInputTokensAsync(
        BackendCall call, UpstreamRequests upstream, CancellationToken cancellationToken) => new((InputTokenCount?)null);
}

/// <summary>
/// Reads one answer of a provider: turns its events into ours. Not thread-safe; one answer, one instance.
/// </summary>
internal abstract class ProviderStream
{
    /// <summary>
    /// The end as far as it is known: set once the provider gave a finish reason, so that a stream that then breaks off
    /// or falls silent still counts as complete.
    /// </summary>
    public BackendEnding? Ending { get; protected set; }

    /// <summary>Whether nothing more is expected; <see cref="Ending"/> is sent and the rest of the body drained.</summary>
    public bool IsOver { get; protected set; }

    /// <summary>The key in use, so that no message repeats it.</summary>
    public string Secret { get; set; } = "";

    /// <summary>Reads one event.</summary>
    /// <param name="eventType">Name of the server-sent event; <c>message</c> where it has none.</param>
    /// <param name="data">Its data, one JSON document or a provider's mark such as <c>[DONE]</c>.</param>
    /// <param name="output">Where events go; never <see cref="BackendEventKind.Finished"/>.</param>
    /// <exception cref="JsonException">It is no JSON.</exception>
    /// <exception cref="BackendException">It reports an error, or makes no sense.</exception>
    public abstract void Read(string eventType, ReadOnlySpan<byte> data, List<BackendEvent> output);

    /// <summary>
    /// The body ended, or the stream is over: lets out what is left (such as the last <c>done</c> of a tool call) and
    /// settles <see cref="Ending"/> where the provider's habit allows for an end without a reason.
    /// </summary>
    /// <exception cref="BackendException">What it held does not add up.</exception>
    public virtual void Complete(List<BackendEvent> output)
    {
    }
}
