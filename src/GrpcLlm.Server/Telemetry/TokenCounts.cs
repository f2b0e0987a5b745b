using GrpcLlm.V1;

namespace GrpcLlm.Server.Telemetry;

/// <summary>Where the numbers of a usage come from. Stateless and thread-safe.</summary>
internal static class TokenCounts
{
    /// <summary>How the input was counted: its own source where it has one.</summary>
    public static UsageSource InputSourceOf(Usage usage) =>
        usage.InputSource == UsageSource.Unspecified ? usage.Source : usage.InputSource;

    /// <summary>Whether tokens of that source were counted by somebody, rather than estimated or not known.</summary>
    public static bool IsCount(UsageSource source) => source is UsageSource.Reported or UsageSource.Counted;
}
