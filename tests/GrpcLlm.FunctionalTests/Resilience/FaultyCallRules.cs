using System.Text.Json;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>What is true of every call to a model behind a faulty upstream: its stream, and what its upstream did.</summary>
internal sealed class FaultyCallRules
{
    private readonly FaultyUpstream _upstream;
    private readonly IReadOnlyDictionary<string, string> _keyLabels;
    private readonly int _maxAttempts;
    private readonly StreamRules _stream;
    private readonly List<string> _broken = [];

    /// <param name="upstream">What it did.</param>
    /// <param name="keyLabels">Label of each key.</param>
    /// <param name="maxAttempts">As configured.</param>
    public FaultyCallRules(FaultyUpstream upstream, IReadOnlyDictionary<string, string> keyLabels, int maxAttempts)
    {
        _upstream = upstream;
        _keyLabels = keyLabels;
        _maxAttempts = maxAttempts;
        _stream = new StreamRules((call, otherwise) => _broken.Add(
            $"{otherwise} — {call}; upstream: {string.Join(", ", upstream.AnswersTo(call.Number).Select(static one => $"{one.Backend} {one.Fault}"))}"));
    }

    /// <summary>The rules that were broken, with the call.</summary>
    public IReadOnlyList<string> Broken => _broken;

    /// <summary>Rules that were checked.</summary>
    public long Checked => _stream.Checked;

    /// <summary>Checks a call against what its upstream did and what the bill says.</summary>
    /// <param name="call">The call, at its end.</param>
    /// <param name="records">The usage records of its name.</param>
    public void Check(FaultyCall call, IReadOnlyList<JsonElement> records)
    {
        _stream.Check(call, records);
        var answers = _upstream.AnswersTo(call.Number);
        var served = CheckText(call, answers);
        if (call.Status.StatusCode == StatusCode.OK && call.Chunks is [.., { Finish: { } finish }]) CheckFinish(call, finish, served);
        if (call.Summary is { } summary) CheckAttempts(call, summary, served, answers);
    }

    /// <summary>Checks a call to a model whose text is known.</summary>
    /// <param name="call">The call, at its end.</param>
    /// <param name="records">The usage records of its name.</param>
    /// <param name="text">The text that it would get if it went on for long.</param>
    public void Check(FaultyCall call, IReadOnlyList<JsonElement> records, string text)
    {
        _stream.Check(call, records);

        // Where it is cut, the last character may be a half.
        Must(call, text.StartsWith(call.Text.TrimEnd('\uFFFD'), StringComparison.Ordinal), $"text is no copy: {call.Text}");
        if (call.Chunks is [.., { Finish: { Reason: FinishReason.Stop or FinishReason.Length } finish }])
            Must(call, call.Tokens == finish.Usage.OutputTokens, "a complete answer without all tokens");
    }

    /// <summary>The answer whose tokens came; null: none did.</summary>
    private FaultyAnswer? CheckText(FaultyCall call, IReadOnlyList<FaultyAnswer> answers)
    {
        var text = call.Text;
        if (text.Length == 0) return null;
        var answer = int.TryParse(text.AsSpan(0, Math.Max(0, text.IndexOf('.'))), out var id) ? answers.FirstOrDefault(one => one.Id == id) : null;
        Must(call, answer is not null, $"text of no answer to it: {text}");
        if (answer is null) return null;
        Must(call, text == string.Concat(answer.Pieces.Take((int)call.Tokens)), $"text is no copy of answer {id}: {text}");
        Must(call, call.Chunks.First(static chunk => chunk.Started is not null).Started.Backend == answer.Backend, "started names another backend");
        return answer;
    }

    private void CheckFinish(FaultyCall call, Finish finish, FaultyAnswer? served)
    {
        switch (finish.Reason)
        {
            case FinishReason.Stop when served is not null:
                Must(call, served.Fault is Fault.None or Fault.SlowStart, $"STOP though {served.Fault}");
                Must(call, call.Tokens == served.Pieces.Count, "STOP without the whole text");
                Must(call, finish.Usage.OutputTokens == served.Pieces.Count, "not the output tokens that were reported");
                // It comes behind the last token, and is not waited for without end.
                Must(
                    call, finish.Usage.InputTokens == served.InputTokens || finish.Usage.Source == UsageSource.Estimated,
                    "not the input tokens that were reported");
                break;
            case FinishReason.TimeBudget or FinishReason.Cancelled:
                break;
            default:
                Must(call, false, $"finish {finish.Reason}");
                break;
        }
    }

    private void CheckAttempts(FaultyCall call, GenerationSummary summary, FaultyAnswer? answer, IReadOnlyList<FaultyAnswer> answers)
    {
        var log = summary.AttemptLog;
        Must(call, summary.Attempts == log.Count && log.Count <= _maxAttempts, $"{summary.Attempts} attempts, {log.Count} told");
        if (summary.ErrorReason == ErrorReason.UpstreamRateLimited)
            Must(call, log.All(static one => one.ErrorReason is ErrorReason.UpstreamRateLimited || one.Outcome == AttemptOutcome.Cancelled), "RATE_LIMITED among others");

        if (log.FirstOrDefault(static one => one.Outcome == AttemptOutcome.Served) is { } one && answer is not null)
        {
            Must(call, one.Backend == answer.Backend && summary.Backend == answer.Backend, $"served by {one.Backend}, text of {answer.Backend}");
            Must(call, one.KeyLabel == _keyLabels[answer.Key], $"served with {one.KeyLabel}, text of {_keyLabels[answer.Key]}");
            Must(call, one.Usage.Equals(summary.Usage), "usage of the call is not that of the attempt");
            Must(call, log.All(other => other.StartUs <= summary.Timing.TtftUs), "an attempt began after the first token");
            Must(call, log.All(other => ReferenceEquals(other, one) || other.StartUs + other.DurationUs >= one.StartUs || other.Outcome == AttemptOutcome.Failed), "gave up before the next began");
        }

        // An attempt that was given up may not have reached the upstream; no request reached it without an attempt.
        foreach (var lane in answers.GroupBy(static answer => (answer.Backend, answer.Key)))
        {
            var attempts = log.Count(one => one.Backend == lane.Key.Backend && one.KeyLabel == _keyLabels[lane.Key.Key]);
            Must(call, lane.Count() <= attempts, $"{lane.Count()} requests and {attempts} attempts at {lane.Key.Backend}");
        }

        var answered = log.Count(static one => one.Outcome == AttemptOutcome.Served)
            + log.Count(static one => one.ErrorReason is ErrorReason.UpstreamRateLimited);
        Must(call, answers.Count >= answered, "an attempt that no upstream heard of");
    }

    private void Must(FaultyCall call, bool holds, string otherwise) => _stream.Must(call, holds, otherwise);
}
