using System.ComponentModel.DataAnnotations;

namespace GrpcLlm.Server.Hosting;

/// <summary>How many generations run at once, and how many wait: <c>GrpcLlm:Admission</c>.</summary>
internal sealed class AdmissionOptions
{
    /// <summary>Generations that run at once. 1 to 1,000,000. Default: 4096.</summary>
    [Range(1, 1_000_000)]
    public int MaxConcurrent { get; set; } = 4096;

    /// <summary>
    /// Generations that wait for a place, of all tenants together. 0 to 1,000,000; 0: none waits. Default: 1024. When it
    /// is full, the tenant with the most waiting gives way, its latest call first.
    /// </summary>
    [Range(0, 1_000_000)]
    public int MaxQueue { get; set; } = 1024;

    /// <summary>Longest wait for a place. 1 ms to 1 hour. Default: 10 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "01:00:00")]
    public TimeSpan QueueTimeout { get; set; } = TimeSpan.FromSeconds(10);
}

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

/// <summary>How the server stops: <c>GrpcLlm:Shutdown</c>.</summary>
internal sealed class ShutdownOptions
{
    /// <summary>
    /// Time after the signal in which new calls are still served, while readiness and health say that no more should
    /// come: time for load balancers to notice. 0 to 10 min. Default: 0.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan Delay { get; set; }

    /// <summary>
    /// Time that running generations have to finish; then they end with DRAINING. 0 to 1 day. Default: 20 s, so that all
    /// of it fits into the 30 s that Kubernetes gives.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan Grace { get; set; } = TimeSpan.FromSeconds(20);
}
