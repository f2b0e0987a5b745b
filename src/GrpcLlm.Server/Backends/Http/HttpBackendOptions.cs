using System.ComponentModel.DataAnnotations;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>Settings that every backend behind HTTP has.</summary>
internal class HttpBackendOptions : SilenceOptions
{
    /// <summary>Where the provider is, with its version prefix: <c>https://api.openai.com/v1</c>. Required; http or https.</summary>
    [Required]
    public string BaseUrl { get; set; } = "";

    /// <summary>
    /// Keys: <c>env:NAME</c>, <c>file:PATH</c> (read again when it changes), or the key itself (for tests). Used in turn.
    /// None: no credentials are sent.
    /// </summary>
    public List<string> ApiKeys { get; set; } = [];

    /// <summary>
    /// Speak HTTP/2 without TLS (RFC 9113, section 3.3: prior knowledge), for a mesh or a sidecar. Over TLS the version is
    /// negotiated. Default: false, HTTP/1.1 without TLS.
    /// </summary>
    public bool Http2PriorKnowledge { get; set; }

    /// <summary>Longest time for a connection, TLS included. Above 0 to 10 min. Default: 5 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:10:00")]
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Parameters that callers may send in <c>provider_options_json</c>. Default: none. A parameter that a field of the
    /// contract sets is refused even if it stands here.
    /// </summary>
    public List<string> AllowedProviderOptions { get; set; } = [];
}
