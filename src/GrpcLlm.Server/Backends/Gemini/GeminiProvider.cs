using System.Buffers;
using System.Collections.Frozen;
using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>
/// The Gemini API (<c>POST models/MODEL:streamGenerateContent?alt=sse</c>; ai.google.dev/api/generate-content). How a
/// request is written and what is left out of it: <see cref="GeminiRequest"/> and <see cref="GeminiContents"/>; what is
/// refused by name: <see cref="GeminiUnsupported"/>; how the answer reads: <see cref="GeminiStream"/>. Input tokens are
/// counted by its own <c>countTokens</c>.
/// </summary>
internal sealed class GeminiProvider(GeminiOptions options) : Provider
{
    public const string BackendKind = "gemini";

    private static readonly FrozenSet<string> Own = FrozenSet.Create(
        StringComparer.Ordinal, "contents", "systemInstruction", "system_instruction", "generationConfig", "generation_config",
        "tools", "toolConfig", "tool_config");

    public override string Kind => BackendKind;

    public override string ProviderName => "gcp.gemini";

    public override IReadOnlySet<string> OwnParameters => Own;

    public override void FindUnsupported(GenerateRequest request, string model, Violations violations) =>
        GeminiUnsupported.Find(request, violations);

    public override string GeneratePath(BackendCall call) =>
        $"{GeminiModelNames.Path(call.Model)}:streamGenerateContent?alt=sse";

    // A header, never the query: URLs end up in logs.
    public override void Authorize(HttpRequestMessage request, string key) => request.Headers.Add("x-goog-api-key", key);

    public override void WriteBody(Utf8JsonWriter json, BackendCall call) => GeminiRequest.Write(json, call, options);

    public override ProviderStream OpenStream(BackendCall call) => new GeminiStream(call.Request.Output);

    public override async ValueTask<BackendModel?> AskModelAsync(
        string model, UpstreamRequests upstream, CancellationToken cancellationToken)
    {
        return await upstream.AskAsync(
            HttpMethod.Get, GeminiModelNames.Path(model), ReadOnlyMemory<byte>.Empty, ReadModel, cancellationToken);
    }

    public override async ValueTask<InputTokenCount?> CountInputTokensAsync(
        BackendCall call, UpstreamRequests upstream, CancellationToken cancellationToken)
    {
        var body = new ArrayBufferWriter<byte>(1024);
        await using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            json.WriteStartObject("generateContentRequest"u8);
            json.WriteString("model"u8, GeminiModelNames.Resource(call.Model));
            WriteBody(json, call);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        try
        {
            var told = await upstream.AskAsync(
                HttpMethod.Post, $"{GeminiModelNames.Path(call.Model)}:countTokens", body.WrittenMemory,
                static answer => JsonText.Count(answer, "totalTokens"), cancellationToken);
            return told is { } tokens
                ? new InputTokenCount(tokens, UsageSource.Reported) : null;
        }
        catch (BackendException exception) when (exception.Failure is BackendFailure.Unavailable or BackendFailure.RateLimited
            or BackendFailure.Stalled or BackendFailure.Truncated or BackendFailure.Malformed)
        {
            // It could not say; an estimate, marked as one, is better than nothing.
            return null;
        }
    }

    private static BackendModel ReadModel(JsonElement card) => new()
    {
        DisplayName = JsonText.Read(card, "displayName"),
        Description = JsonText.Read(card, "description"),
        Owner = "Google",

        // Its limit of the output counts apart; what fits for certain is told.
        ContextWindow = JsonText.Count(card, "inputTokenLimit"),
        MaxOutputTokens = JsonText.Count(card, "outputTokenLimit"),
        Capabilities = card.ValueKind == JsonValueKind.Object && card.TryGetProperty("thinking"u8, out var thinks)
            && thinks.ValueKind == JsonValueKind.True
                ? [ModelCapability.Conversation, ModelCapability.Reasoning] : [ModelCapability.Conversation],
    };
}
