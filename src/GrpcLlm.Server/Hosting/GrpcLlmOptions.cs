using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace GrpcLlm.Server.Hosting;

/// <summary>The section <c>GrpcLlm</c> of the configuration.</summary>
internal sealed class GrpcLlmOptions
{
    /// <summary>Name of the section.</summary>
    public const string Section = "GrpcLlm";

    /// <summary>Wire name or alias of the model for requests that name none. Required.</summary>
    [Required]
    public string DefaultModel { get; set; } = "";

    /// <summary>Backends by name; the settings of each depend on its <c>Kind</c>.</summary>
    public Dictionary<string, BackendSettings> Backends { get; set; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Models by label.</summary>
    public Dictionary<string, ModelOptions> Models { get; set; } = [];

    /// <summary>Bounds of what is taken in.</summary>
    public LimitOptions Limits { get; set; } = new();

    /// <summary>How streams behave.</summary>
    public StreamingOptions Streaming { get; set; } = new();

    /// <summary>What is done for a token before the first one came.</summary>
    public ResilienceOptions Resilience { get; set; } = new();

    /// <summary>How many generations run at once, and how many wait.</summary>
    public AdmissionOptions Admission { get; set; } = new();

    /// <summary>Who may call, by name. Default: none, everybody is anonymous.</summary>
    public Dictionary<string, TenantOptions> Tenants { get; set; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Serve callers without credentials on addresses other than loopback, with no tenants configured. Default: false,
    /// such a start is refused.
    /// </summary>
    public bool AllowAnonymousRemote { get; set; }

    /// <summary>What is told of calls beyond numbers.</summary>
    public TelemetryOptions Telemetry { get; set; } = new();

    /// <summary>How the server stops.</summary>
    public ShutdownOptions Shutdown { get; set; } = new();

    /// <summary>
    /// Reads and checks the section. A key that nobody reads is an error: it is a typing mistake, or a setting that the
    /// operator believes to be in force.
    /// </summary>
    /// <exception cref="OptionsValidationException">With every error, each naming its key.</exception>
    public static GrpcLlmOptions Bind(IConfiguration configuration)
    {
        var errors = new List<string>();
        var section = configuration.GetSection(Section);
        var options = new GrpcLlmOptions();
        ConfigurationReader.Read(section, options, errors);
        GrpcLlmOptionsRules.Check(options, errors);
        return errors.Count == 0
            ? options
            : throw new OptionsValidationException(Section, typeof(GrpcLlmOptions), errors);
    }
}

/// <summary>One backend: its kind, and the rest of its section for that kind to read.</summary>
internal sealed class BackendSettings
{
    /// <summary><c>embedded</c>, <c>simulator</c>, <c>openai</c>, <c>anthropic</c>, <c>gemini</c> or <c>ollama</c>.</summary>
    public string Kind { get; set; } = "";

    /// <summary>What differs from <c>GrpcLlm:Resilience</c> for this backend.</summary>
    public BackendResilienceOptions Resilience { get; set; } = new();

    /// <summary>The whole section.</summary>
    public IConfigurationSection Section { get; set; } = null!;
}

/// <summary>One model that is served.</summary>
internal sealed class ModelOptions
{
    /// <summary>Name on the wire, compared ordinally. Default: the key of the section.</summary>
    public string Name { get; set; } = "";

    /// <summary>Other names on the wire.</summary>
    public List<string> Aliases { get; set; } = [];

    /// <summary>Ways to serve it, in order. At least one.</summary>
    public List<RouteOptions> Routes { get; set; } = [];

    /// <summary>What its tokens cost. Default: not known.</summary>
    public PriceOptions Price { get; set; } = new();
}

/// <summary>One way to serve a model.</summary>
internal sealed class RouteOptions
{
    /// <summary>Name of a configured backend. Required.</summary>
    public string Backend { get; set; } = "";

    /// <summary>The backend's own name of the model. Default: the model's name.</summary>
    public string Model { get; set; } = "";

    /// <summary>
    /// Share of calls that try this route first, relative to the model's other routes; the rest follow in an order drawn
    /// the same way. 1 to 1,000,000; on all routes of a model or on none. Default: none, routes are tried in order.
    /// </summary>
    [Range(1, 1_000_000)]
    public int? Weight { get; set; }
}

/// <summary>Bounds of what is taken in.</summary>
internal sealed class LimitOptions
{
    /// <summary>Most bytes of one request, 1024 to 1 GiB. Default: 32 MiB. A larger one gets RESOURCE_EXHAUSTED.</summary>
    [Range(1024, 1 << 30)]
    public int MaxRequestBytes { get; set; } = 32 * 1024 * 1024;
}

/// <summary>How streams behave.</summary>
internal sealed class StreamingOptions
{
    /// <summary>
    /// How much before the client's deadline a stream ends, so that its trailers arrive; at most a tenth of the time
    /// given. 0 to 10 s. Default: 50 ms.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:00:10")]
    public TimeSpan DeadlineMargin { get; set; } = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// Longest time for one pending write; then that stream alone is reset. 0 to 1 day; 0: never. Default: 60 s.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan ClientStallTimeout { get; set; } = TimeSpan.FromSeconds(60);
}
