using System.ComponentModel.DataAnnotations;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>
/// Settings of a backend that speaks the messages API. <see cref="HttpBackendOptions.BaseUrl"/> includes the version
/// prefix: <c>https://api.anthropic.com/v1</c>.
/// </summary>
internal sealed class AnthropicOptions : HttpBackendOptions
{
    /// <summary>Version of the API, header <c>anthropic-version</c>. Required. Default: 2023-06-01.</summary>
    [Required]
    public string AnthropicVersion { get; set; } = "2023-06-01";

    /// <summary>Features in beta to turn on, header <c>anthropic-beta</c>. Default: none.</summary>
    public List<string> BetaFeatures { get; set; } = [];

    /// <summary>
    /// Most output tokens where neither request nor tenant says, since the API demands a number; a reasoning budget comes
    /// on top. 1 or more. Default: 4096.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int DefaultMaxOutputTokens { get; set; } = 4096;

    /// <summary>
    /// Whether <c>reasoning.effort</c> becomes a thinking budget rather than adaptive thinking with an effort. For models
    /// before Claude 4.6, which know no adaptive thinking. Default: false.
    /// </summary>
    public bool EffortAsBudget { get; set; }

    /// <summary>
    /// How thinking is shown: <c>summarized</c> or <c>omitted</c>. Empty, the default: not sent, the model's own default.
    /// </summary>
    [AllowedValues("", "summarized", "omitted")]
    public string ThinkingDisplay { get; set; } = "";
}
