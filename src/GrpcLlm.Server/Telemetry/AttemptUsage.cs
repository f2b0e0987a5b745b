using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Telemetry;

/// <summary>What an attempt used whose backend told no end. Stateless.</summary>
internal static class AttemptUsage
{
    /// <summary>
    /// Input as reported so far, output as received, since a report lags behind the stream. The backend has read its input
    /// also where it never tells how much that was; then it is estimated, and marked so.
    /// </summary>
    /// <param name="reported">The last report; null: none came.</param>
    /// <param name="opening">What was told before the first token.</param>
    /// <param name="received">Output tokens that arrived.</param>
    /// <param name="inputEstimate">Stands for input that nobody told; null: it stays unknown.</param>
    public static Usage CutShort(Usage? reported, BackendOpening opening, uint received, uint? inputEstimate)
    {
        var usage = reported?.Clone() ?? new Usage();
        var inputSource = usage.HasInputTokens ? usage.Source : opening.TokenCountSource;
        if (!usage.HasInputTokens && opening.InputTokens is { } input) usage.InputTokens = input;
        if (received >= usage.OutputTokens)
        {
            usage.OutputTokens = received;
            usage.Source = opening.TokenCountSource;
        }

        if (!usage.HasInputTokens && inputEstimate is { } estimate)
        {
            usage.InputTokens = estimate;
            usage.Source = inputSource = UsageSource.Estimated;
        }

        // Values of the enum are ordered from the most certain to the least.
        if (usage.HasInputTokens && inputSource < usage.Source) usage.InputSource = inputSource;
        return usage;
    }
}
