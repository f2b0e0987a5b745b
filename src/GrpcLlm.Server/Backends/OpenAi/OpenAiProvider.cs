using System.Buffers;
using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>
/// Chat completions as OpenAI defines them (POST <c>/chat/completions</c>), and as vLLM, llama.cpp, Ollama, OpenRouter,
/// Groq, DeepSeek, Mistral and Azure speak them.
/// </summary>
internal sealed class OpenAiProvider(OpenAiOptions options) : Provider
{
    /// <summary>Kind in configuration.</summary>
    public const string KindName = "openai";

    private const string AzureKeyHeader = "api-key";

    public override string Kind => KindName;

    public override string ProviderName => options.ApiVersion.Length > 0 ? "azure.ai.openai" : Kind;

    public override IReadOnlySet<string> OwnParameters => OpenAiRequest.Parameters;

    public override void FindUnsupported(GenerateRequest request, string model, Violations violations) =>
        OpenAiUnsupported.Find(request, options, violations);

    public override string GeneratePath(BackendCall call)
    {
        if (options.ApiVersion.Length == 0) return "chat/completions";

        // Azure names the deployment in the path, unless the base URL does or is that of its v1 interface.
        var address = new Uri(options.BaseUrl).AbsolutePath.TrimEnd('/');
        var hasPlace = address.Contains("/deployments/", StringComparison.OrdinalIgnoreCase)
            || address.EndsWith("/v1", StringComparison.OrdinalIgnoreCase);
        var root = address.EndsWith("/openai", StringComparison.OrdinalIgnoreCase) ? "" : "openai/";
        var place = hasPlace ? "" : $"{root}deployments/{Uri.EscapeDataString(call.Model)}/";
        return $"{place}chat/completions?api-version={Uri.EscapeDataString(options.ApiVersion)}";
    }

    public override void Authorize(HttpRequestMessage request, string key)
    {
        var header = options.ApiKeyHeader.Length > 0 ? options.ApiKeyHeader
            : options.ApiVersion.Length > 0 ? AzureKeyHeader
            : "";
        if (header.Length > 0) request.Headers.TryAddWithoutValidation(header, key);
        else request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + key);
    }

    public override void AddHeaders(HttpRequestMessage request)
    {
        if (options.Organization.Length > 0) request.Headers.TryAddWithoutValidation("OpenAI-Organization", options.Organization);
        if (options.Project.Length > 0) request.Headers.TryAddWithoutValidation("OpenAI-Project", options.Project);
    }

    public override void WriteBody(Utf8JsonWriter json, BackendCall call) => OpenAiRequest.Write(json, call, options);

    public override BackendEnding? EndingOf(int status, JsonElement body) => OpenAiEnding.OfBlockedPrompt(status, body);

    public override ProviderStream OpenStream(BackendCall call) => new OpenAiStream(call.Request);

    public override BackendModel Describe(string model) => new() { Capabilities = [ModelCapability.Conversation] };

    public override async ValueTask<BackendModel?> AskModelAsync(
        string model, UpstreamRequests upstream, CancellationToken cancellationToken)
    {
        // Azure lists what could be deployed, not what is.
        if (options.ApiVersion.Length > 0) return null;
        return await upstream.AskAsync(
            HttpMethod.Get, "models", ReadOnlyMemory<byte>.Empty, list => OpenAiModelList.Find(list, model), cancellationToken);
    }

    public override async ValueTask<InputTokenCount?> CountInputTokensAsync(
        BackendCall call, UpstreamRequests upstream, CancellationToken cancellationToken)
    {
        if (options.TokenizeEndpoint.Length == 0) return null;
        var body = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(body)) OpenAiRequest.WriteTokenize(json, call);
        try
        {
            var told = await upstream.AskAsync(
                HttpMethod.Post, options.TokenizeEndpoint, body.WrittenMemory,
                static answer => JsonText.Count(answer, "count"), cancellationToken);
            return told is { } count
                ? new InputTokenCount(count, UsageSource.Counted)
                : throw new BackendException(BackendFailure.Malformed, "The backend's answer holds no count of tokens.");
        }
        catch (BackendException exception) when (exception.Failure is BackendFailure.Unavailable or BackendFailure.Stalled
            or BackendFailure.Truncated)
        {
            // It could not be reached: an estimate, marked as one, is better than nothing. A refusal is told.
            return null;
        }
    }
}
