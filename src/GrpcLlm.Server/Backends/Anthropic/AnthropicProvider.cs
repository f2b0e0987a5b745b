using System.Buffers;
using System.Net;
using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>
/// Anthropic's messages API (https://platform.claude.com/docs/en/api/messages). Thread-safe.
/// </summary>
internal sealed class AnthropicProvider(AnthropicOptions options) : Provider
{
    /// <summary>Value of <c>Kind</c> in configuration.</summary>
    public const string BackendKind = "anthropic";

    public override string Kind => BackendKind;

    public override IReadOnlySet<string> OwnParameters { get; } = new HashSet<string>(StringComparer.Ordinal)
    {
        "model", "max_tokens", "messages", "system", "stream", "temperature", "top_p", "top_k", "stop_sequences", "tools",
        "tool_choice", "thinking", "output_config", "output_format", "metadata",
    };

    public override void FindUnsupported(GenerateRequest request, string model, Violations violations) =>
        AnthropicUnsupported.Find(request, options, violations);

    public override string GeneratePath(BackendCall call) => "messages";

    public override void Authorize(HttpRequestMessage request, string key) =>
        request.Headers.TryAddWithoutValidation("x-api-key", key);

    public override void AddHeaders(HttpRequestMessage request)
    {
        request.Headers.TryAddWithoutValidation("anthropic-version", options.AnthropicVersion);
        if (options.BetaFeatures.Count > 0)
            request.Headers.TryAddWithoutValidation("anthropic-beta", string.Join(',', options.BetaFeatures));
    }

    public override void WriteBody(Utf8JsonWriter json, BackendCall call) => AnthropicRequest.Write(json, call, options);

    public override BackendEnding? EndingOf(int status, JsonElement body) =>
        status == 400 ? AnthropicWords.BlockedBy(body) : null;

    public override ProviderStream OpenStream(BackendCall call) => new AnthropicStream();

    public override async ValueTask<BackendModel?> AskModelAsync(
        string model, UpstreamRequests upstream, CancellationToken cancellationToken)
    {
        return await upstream.AskAsync(
            HttpMethod.Get, "models/" + Uri.EscapeDataString(model), ReadOnlyMemory<byte>.Empty, AnthropicModel.Read, cancellationToken);
    }

    /// <summary>
    /// Counts at <c>messages/count_tokens</c>. Servers that imitate the API often have no such path: then, and only then,
    /// the count is left to an estimate.
    /// </summary>
    public override async ValueTask<InputTokenCount?> CountInputTokensAsync(
        BackendCall call, UpstreamRequests upstream, CancellationToken cancellationToken)
    {
        var body = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            AnthropicRequest.WriteInput(json, call, options);
            json.WriteEndObject();
        }

        try
        {
            var told = await upstream.AskAsync(
                HttpMethod.Post, "messages/count_tokens", body.WrittenMemory,
                static answer => JsonText.Count(answer, "input_tokens"), cancellationToken);
            return told is { } count
                ? new InputTokenCount(count, UsageSource.Reported)
                : throw new BackendException(BackendFailure.Malformed, "The backend's answer holds no count.");
        }
        catch (BackendException exception)
            when (exception.HttpStatus is (int)HttpStatusCode.NotFound or (int)HttpStatusCode.MethodNotAllowed)
        {
            return null;
        }
    }
}
