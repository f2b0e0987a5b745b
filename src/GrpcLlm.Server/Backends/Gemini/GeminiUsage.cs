using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>
/// Reads <c>usageMetadata</c>, which comes with every event and grows. Its counts of the prompt include cached tokens and
/// leave out those of its own tools' results; its count of the candidate leaves out thoughts, and may be missing until the
/// end. Ours include all. Not thread-safe.
/// </summary>
internal sealed class GeminiUsage
{
    private Usage? _last;
    private bool _knowsCandidate;
    private uint? _total;

    /// <summary>The usage so far, in the contract's terms.</summary>
    public Usage Read(JsonElement metadata)
    {
        var candidate = JsonText.Count(metadata, "candidatesTokenCount");
        var thoughts = JsonText.Count(metadata, "thoughtsTokenCount");
        _knowsCandidate = candidate is not null;
        _total = JsonText.Count(metadata, "totalTokenCount");
        var usage = new Usage { OutputTokens = UsageTotals.Add(candidate ?? 0, thoughts ?? 0), Source = UsageSource.Reported };
        if (JsonText.Count(metadata, "promptTokenCount") is { } prompt)
            usage.InputTokens = UsageTotals.Add(prompt, JsonText.Count(metadata, "toolUsePromptTokenCount") ?? 0);
        if (JsonText.Count(metadata, "cachedContentTokenCount") is { } cached) usage.CachedInputTokens = cached;
        if (thoughts is { } reasoning) usage.ReasoningTokens = reasoning;
        return _last = UsageTotals.Widen(usage);
    }

    /// <summary>The usage in the end; null if none was reported.</summary>
    /// <param name="visibleTokens">Tokens that were counted in the stream, thoughts left out.</param>
    public Usage? Final(uint visibleTokens)
    {
        if (_last is not { } usage || _knowsCandidate || visibleTokens == 0) return _last;

        // The count of the candidate never came although there was one: the total tells it, or nobody does.
        var known = UsageTotals.Add(usage.InputTokens, usage.OutputTokens);
        var final = usage.Clone();
        if (usage.HasInputTokens && _total > known)
        {
            final.OutputTokens = _total.Value - usage.InputTokens;
            return UsageTotals.Widen(final);
        }

        final.OutputTokens = UsageTotals.Add(final.OutputTokens, visibleTokens);
        final.Source = UsageSource.Estimated;
        if (usage.HasInputTokens) final.InputSource = UsageSource.Reported;
        return final;
    }
}
