using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// Sums of token counts that a provider tells, as the contract has them: totals include their subsets, and what does not
/// fit is the most that does. Stateless and thread-safe.
/// </summary>
internal static class UsageTotals
{
    /// <summary>The sum; the largest count where it is more.</summary>
    public static uint Add(uint one, uint other) => (uint)Math.Min(uint.MaxValue, (ulong)one + other);

    /// <summary>Raises the totals to what their subsets come to, for a provider whose numbers do not add up.</summary>
    /// <returns>The same usage.</returns>
    public static Usage Widen(Usage usage)
    {
        usage.OutputTokens = Math.Max(usage.OutputTokens, usage.ReasoningTokens);
        if (usage.HasInputTokens)
            usage.InputTokens = Math.Max(usage.InputTokens, Add(usage.CachedInputTokens, usage.CacheWriteInputTokens));
        return usage;
    }
}
