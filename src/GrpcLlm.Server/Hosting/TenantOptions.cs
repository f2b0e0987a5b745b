using System.ComponentModel.DataAnnotations;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// One tenant: who it is and what it may use, <c>GrpcLlm:Tenants:&lt;name&gt;</c>. At least one key or certificate
/// identifies it. A limit that is not set does not exist.
/// </summary>
internal sealed class TenantOptions
{
    /// <summary>
    /// Keys for <c>authorization: Bearer</c>, each as <c>sha256:</c> and the 64 hexadecimal digits of its SHA-256.
    /// </summary>
    public List<string> ApiKeyHashes { get; set; } = [];

    /// <summary>
    /// Subjects of client certificates (RFC 4514, such as <c>CN=billing, O=Example</c>); Kestrel has checked the
    /// certificate itself.
    /// </summary>
    public List<string> CertificateSubjects { get; set; } = [];

    /// <summary>Wire names of the models it may use. Default: all.</summary>
    public List<string> Models { get; set; } = [];

    /// <summary>Generations and counts a minute; as many may come at once. 1 to 1,000,000,000.</summary>
    [Range(1, 1_000_000_000)]
    public int? RequestsPerMinute { get; set; }

    /// <summary>Input and output tokens a minute; as many may be used at once. 1 to 1,000,000,000.</summary>
    [Range(1, 1_000_000_000)]
    public int? TokensPerMinute { get; set; }

    /// <summary>Generations that run at once; further ones wait in the queue. 1 to 1,000,000.</summary>
    [Range(1, 1_000_000)]
    public int? MaxConcurrent { get; set; }

    /// <summary>Most output tokens of one generation; a request that asks for more gets this many. 1 to 1,000,000,000.</summary>
    [Range(1, 1_000_000_000)]
    public int? MaxOutputTokens { get; set; }
}
