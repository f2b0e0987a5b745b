using System.ComponentModel.DataAnnotations;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>
/// Settings of a backend of kind <c>openai</c>. The defaults are OpenAI's own; servers that only speak its format differ
/// in the options at the end.
/// </summary>
internal sealed class OpenAiOptions : HttpBackendOptions
{
    /// <summary>
    /// Version of Azure's interface, sent as <c>api-version</c>; sets Azure's form of URL and key: the base URL is the
    /// resource (or one deployment of it), the model is the deployment. Empty: no Azure form. Default: empty.
    /// </summary>
    public string ApiVersion { get; set; } = "";

    /// <summary>
    /// Header that carries the bare key. Empty: <c>api-key</c> with <see cref="ApiVersion"/>, else
    /// <c>Authorization: Bearer</c>. Default: empty.
    /// </summary>
    [RegularExpression(@"[A-Za-z0-9_-]*", ErrorMessage = "must be the name of a header")]
    public string ApiKeyHeader { get; set; } = "";

    /// <summary>Sent as <c>OpenAI-Organization</c>. Empty: not sent. Default: empty.</summary>
    [RegularExpression(@"[\x21-\x7e]*", ErrorMessage = "must be printable ASCII")]
    public string Organization { get; set; } = "";

    /// <summary>Sent as <c>OpenAI-Project</c>. Empty: not sent. Default: empty.</summary>
    [RegularExpression(@"[\x21-\x7e]*", ErrorMessage = "must be printable ASCII")]
    public string Project { get; set; } = "";

    /// <summary>
    /// Asks for usage at the end of the stream (<c>stream_options.include_usage</c>). Turn it off for a server that
    /// answers 400 and names <c>stream_options</c>; tokens are then estimated. Default: true.
    /// </summary>
    public bool IncludeUsage { get; set; } = true;

    /// <summary>
    /// Name of the limit of output tokens: <c>max_completion_tokens</c>, or <c>max_tokens</c> for servers that know the
    /// older name only (Mistral, Ollama). Default: <c>max_completion_tokens</c>.
    /// </summary>
    [AllowedValues("max_completion_tokens", "max_tokens", ErrorMessage = "must be max_completion_tokens or max_tokens")]
    public string MaxTokensField { get; set; } = "max_completion_tokens";

    /// <summary>
    /// Whether the server takes <c>top_k</c>, <c>min_p</c>, <c>repetition_penalty</c> and <c>min_tokens</c>, as vLLM
    /// does. OpenAI does not: those fields are then refused. Default: false.
    /// </summary>
    public bool ExtendedSampling { get; set; }

    /// <summary>
    /// Where input tokens are counted, below the base URL, for a server with vLLM's <c>/tokenize</c>:
    /// <c>../tokenize</c> where the base URL ends with <c>/v1</c>. Empty: they are estimated. Default: empty.
    /// </summary>
    [RegularExpression(@"(?!/)[^:\s]*", ErrorMessage = "must be a path below the base URL, such as ../tokenize")]
    public string TokenizeEndpoint { get; set; } = "";
}
