using System.Collections.Frozen;
using GrpcLlm.Server.Hosting;

namespace GrpcLlm.Server.Admission;

/// <summary>What a tenant may use; null is no limit. Immutable.</summary>
internal sealed record TenantLimits
{
    /// <summary>Name of <see cref="RequestsPerMinute"/> in a refusal.</summary>
    public const string RequestsPerMinuteName = "requests per minute";

    /// <summary>Name of <see cref="TokensPerMinute"/> in a refusal.</summary>
    public const string TokensPerMinuteName = "tokens per minute";

    /// <summary>Name of <see cref="MaxConcurrent"/> in a refusal.</summary>
    public const string MaxConcurrentName = "concurrent generations";

    /// <summary>No limit at all.</summary>
    public static TenantLimits None { get; } = new();

    /// <summary>Wire names and aliases of the models it may use, compared ordinally.</summary>
    public FrozenSet<string>? Models { get; init; }

    /// <summary>Generations and counts a minute; as many may come at once.</summary>
    public int? RequestsPerMinute { get; init; }

    /// <summary>Input and output tokens a minute; as many may be used at once.</summary>
    public int? TokensPerMinute { get; init; }

    /// <summary>Generations that run at once.</summary>
    public int? MaxConcurrent { get; init; }

    /// <summary>Most output tokens of one generation.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>The limits as configured.</summary>
    public static TenantLimits Of(TenantOptions options) => new()
    {
        Models = options.Models.Count == 0 ? null : options.Models.ToFrozenSet(StringComparer.Ordinal),
        RequestsPerMinute = options.RequestsPerMinute,
        TokensPerMinute = options.TokensPerMinute,
        MaxConcurrent = options.MaxConcurrent,
        MaxOutputTokens = options.MaxOutputTokens,
    };
}
