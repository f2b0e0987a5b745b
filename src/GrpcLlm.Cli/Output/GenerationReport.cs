using System.Globalization;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Output;

/// <summary>What a generation took, gathered from its chunks and told at the end. Not thread-safe.</summary>
internal sealed class GenerationReport(string requestId)
{
    private Started? _started;
    private Finish? _finish;
    private uint _tokens;
    private double _logprobSum;
    private int _logprobs;

    /// <summary>Why it ended; UNSPECIFIED while it has not.</summary>
    public FinishReason FinishReason => _finish?.Reason ?? default;

    /// <summary>Takes note of a chunk.</summary>
    public void Observe(TokenChunk chunk)
    {
        _started ??= chunk.Started;
        _finish ??= chunk.Finish;
        _tokens += chunk.TokenCount;
        foreach (var token in chunk.Tokens.Where(token => token.HasLogprob))
        {
            _logprobSum += token.Logprob;
            _logprobs++;
        }
    }

    /// <summary>Writes the block to stderr.</summary>
    public async Task WriteAsync(CliConsole console, bool verbose)
    {
        foreach (var (label, text) in Lines(verbose))
        {
            var line = $"{label,-8}  {TerminalText.Line(text)}";
            await console.Error.WriteLineAsync(console.Color ? $"\e[2m{line}\e[0m" : line);
        }
    }

    private IEnumerable<(string Label, string Text)> Lines(bool verbose)
    {
        yield return ("finish", _finish is null ? $"none, {_tokens} tokens came before the end" : FinishText(_finish));
        if (_finish?.Usage is { } usage) yield return ("usage", UsageText(usage));
        if (_finish?.Timing is { } timing)
        {
            yield return ("timing", TimingText(timing, _finish.Usage?.OutputTokens ?? _tokens));
            if (verbose) yield return ("spent", SpentText(timing));
        }

        if (_logprobs > 0) yield return ("logprobs", LogprobText());
        if (_started is not null || _finish is not null) yield return ("model", ModelText());
        if (verbose && _finish is not null) yield return ("attempts", _finish.Attempts.ToString());
        var id = _started is { RequestId.Length: > 0 } ? _started.RequestId : requestId;
        if (id.Length > 0) yield return ("request", id);
    }

    private static string FinishText(Finish finish)
    {
        var text = Words.Of(finish.Reason);
        if (finish.StopSequence.Length > 0) text += $" \"{finish.StopSequence}\"";
        if (finish.BackendFinishReason.Length > 0 && finish.Reason == FinishReason.Other) text += $" ({finish.BackendFinishReason})";
        return text;
    }

    private static string UsageText(Usage usage)
    {
        var input = usage.HasInputTokens ? usage.InputTokens.ToString() : "?";
        var cached = usage.CachedInputTokens > 0 ? $" ({usage.CachedInputTokens} cached)" : "";
        var reasoning = usage.ReasoningTokens > 0 ? $" ({usage.ReasoningTokens} reasoning)" : "";
        return $"{input} input{cached}, {usage.OutputTokens} output{reasoning} tokens, {Words.Of(usage.Source)}";
    }

    private static string TimingText(Timing timing, uint outputTokens)
    {
        var parts = new List<string>();
        if (timing.HasTtftUs) parts.Add($"ttft {Time(timing.TtftUs)}");
        if (timing.HasTpotUs) parts.Add($"tpot {Time(timing.TpotUs)}");
        if (timing.TotalUs > 0 && outputTokens > 0) parts.Add($"{Digits(outputTokens * 1e6 / timing.TotalUs)} tokens/s");
        parts.Add($"total {Time(timing.TotalUs)}");
        return string.Join(", ", parts);
    }

    private static string SpentText(Timing timing) =>
        $"queue {Time(timing.QueueUs)}, service {Time(timing.OverheadUs)}, waiting for this client {Time(timing.ClientStallUs)}";

    private string LogprobText()
    {
        var mean = _logprobSum / _logprobs;
        return $"mean {mean.ToString("F3", CultureInfo.InvariantCulture)} over {_logprobs} tokens, perplexity {Digits(Math.Exp(-mean))}";
    }

    private string ModelText()
    {
        var model = _finish?.Model ?? _started!.Model;
        var reported = _finish?.BackendModel is { Length: > 0 } name && !string.Equals(name, model, StringComparison.Ordinal)
            ? $" ({name})"
            : "";
        return $"{model}{reported} on {_finish?.Backend ?? _started!.Backend}";
    }

    private static string Time(double microseconds) => microseconds switch
    {
        0 => "0 ms",
        < 1e3 => $"{Digits(microseconds)} µs",
        < 1e6 => $"{Digits(microseconds / 1e3)} ms",
        _ => $"{Digits(microseconds / 1e6)} s",
    };

    /// <summary>Three significant digits; whole numbers from 100.</summary>
    private static string Digits(double value)
    {
        var format = value switch { >= 100 => "F0", >= 10 => "F1", _ => "F2" };
        return value.ToString(format, CultureInfo.InvariantCulture);
    }
}
