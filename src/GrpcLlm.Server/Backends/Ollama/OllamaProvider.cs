using System.Collections.Frozen;
using System.Net.Http.Headers;
using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Ollama;

/// <summary>
/// An Ollama server, by its native API (<c>POST /api/chat</c>, one JSON document a line; docs/api.md of that project).
/// How a request is written and what is left out of it: <see cref="OllamaRequest"/>; what is refused by name:
/// <see cref="OllamaUnsupported"/>; how the answer reads: <see cref="OllamaStream"/>. It has no endpoint that counts
/// tokens, so they are estimated.
/// </summary>
internal sealed class OllamaProvider(OllamaOptions options) : Provider
{
    public const string BackendKind = "ollama";

    private static readonly FrozenSet<string> Own = FrozenSet.Create(
        StringComparer.Ordinal, "model", "messages", "stream", "options", "think", "format", "tools", "logprobs", "top_logprobs", "truncate");

    public override string Kind => BackendKind;

    public override BodyFormat Format => BodyFormat.JsonLines;

    public override IReadOnlySet<string> OwnParameters => Own;

    public override BackendModel Describe(string model) => new() { ContextWindow = (uint?)options.ContextWindow };

    public override async ValueTask<BackendModel?> AskModelAsync(
        string model, UpstreamRequests upstream, CancellationToken cancellationToken)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(new { model });
        return await upstream.AskAsync(
            HttpMethod.Post, "api/show", body, card => OllamaModelCard.Read(card, Describe(model)), cancellationToken);
    }

    public override void FindUnsupported(GenerateRequest request, string model, Violations violations) =>
        OllamaUnsupported.Find(request, violations);

    public override string GeneratePath(BackendCall call) => "api/chat";

    // A server of one's own has no keys; those behind a gate take them as bearer.
    public override void Authorize(HttpRequestMessage request, string key) =>
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);

    public override void WriteBody(Utf8JsonWriter json, BackendCall call) => OllamaRequest.Write(json, call, options);

    public override ProviderStream OpenStream(BackendCall call) => new OllamaStream();
}
