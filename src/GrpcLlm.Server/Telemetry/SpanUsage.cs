using System.Diagnostics;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Telemetry;

/// <summary>Tokens as spans tell them: with their source, since some are estimates. Stateless.</summary>
internal static class SpanUsage
{
    /// <summary>Tells what was used.</summary>
    /// <param name="activity">The span.</param>
    /// <param name="usage">Null, or without a source: nothing is known.</param>
    public static void Set(Activity activity, Usage? usage)
    {
        if (usage is null || usage.Source == UsageSource.Unspecified) return;
        if (usage.HasInputTokens) activity.SetTag(SpanNames.InputTokens, (long)usage.InputTokens);
        if (usage.HasCachedInputTokens) activity.SetTag(SpanNames.CachedInputTokens, (long)usage.CachedInputTokens);
        if (usage.HasCacheWriteInputTokens) activity.SetTag(SpanNames.CacheWriteInputTokens, (long)usage.CacheWriteInputTokens);
        activity.SetTag(SpanNames.OutputTokens, (long)usage.OutputTokens);
        if (usage.HasReasoningTokens) activity.SetTag(SpanNames.ReasoningTokens, (long)usage.ReasoningTokens);
        activity.SetTag(SpanNames.UsageSource, Names<UsageSource>.LowerOf(usage.Source));
        if (usage.InputSource != UsageSource.Unspecified)
            activity.SetTag(SpanNames.InputUsageSource, Names<UsageSource>.LowerOf(usage.InputSource));
    }
}
