using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>
/// Usage of one answer. The API's <c>input_tokens</c> leaves out what was read from or written to the cache; the total
/// here includes both. Its numbers are cumulative, and the input may be corrected in <c>message_delta</c>; servers that
/// imitate the API send an input of 0 in one of the two places, which says nothing. Not thread-safe.
/// </summary>
internal sealed class AnthropicUsage
{
    private uint? _input;
    private uint? _cached;
    private uint? _written;
    private uint? _reasoning;
    private uint _output;
    private bool _any;
    private bool _isOutputTold;

    /// <summary>All input tokens, if known.</summary>
    public uint? InputTokens => _input is null && _cached is null && _written is null
        ? null : UsageTotals.Add(UsageTotals.Add(_input ?? 0, _cached ?? 0), _written ?? 0);

    /// <summary>Takes a <c>usage</c> object.</summary>
    /// <param name="usage">Of the start or the end.</param>
    /// <param name="isAtEnd">Whether it is of <c>message_delta</c>; that of the start holds the first output tokens only.</param>
    public void Take(JsonElement usage, bool isAtEnd)
    {
        var input = JsonText.Count(usage, "input_tokens");
        var cached = JsonText.Count(usage, "cache_read_input_tokens");
        var written = JsonText.Count(usage, "cache_creation_input_tokens");
        _any = true;
        if (input > 0 || cached > 0 || written > 0 || _input is null)
        {
            _input = input ?? _input;
            _cached = cached ?? _cached;
            _written = written ?? _written;
        }

        if (JsonText.Count(usage, "output_tokens") is { } output)
        {
            _output = output;
            _isOutputTold |= isAtEnd;
        }

        if (JsonText.Child(usage, "output_tokens_details") is { } details)
            _reasoning = JsonText.Count(details, "thinking_tokens") ?? _reasoning;
    }

    /// <summary>As reported so far; null if nothing was.</summary>
    public Usage? SoFar()
    {
        if (!_any) return null;
        var usage = new Usage { OutputTokens = _output, Source = UsageSource.Reported };
        if (InputTokens is { } input) usage.InputTokens = input;
        if (_cached is { } cached) usage.CachedInputTokens = cached;
        if (_written is { } written) usage.CacheWriteInputTokens = written;
        if (_reasoning is { } reasoning) usage.ReasoningTokens = reasoning;
        return UsageTotals.Widen(usage);
    }

    /// <summary>At the end of an answer; null where nothing was reported, or what was reported last stands.</summary>
    /// <param name="deltas">Deltas of the answer: one stands for one token where the output was never told.</param>
    public Usage? AtEnd(uint deltas)
    {
        if (_isOutputTold || SoFar() is not { } usage) return null;
        usage.OutputTokens = Math.Max(usage.OutputTokens, deltas);
        usage.Source = UsageSource.Estimated;
        if (usage.HasInputTokens) usage.InputSource = UsageSource.Reported;
        return usage;
    }
}
