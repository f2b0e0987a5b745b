using System.Text.Json;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>What is true of every call, whatever its upstream did.</summary>
/// <param name="upstream">What it did.</param>
/// <param name="keyLabels">Label of each key.</param>
/// <param name="maxAttempts">As configured.</param>
internal sealed class FaultyCallRules(FaultyUpstream upstream, IReadOnlyDictionary<string, string> keyLabels, int maxAttempts)
{
    private static readonly string[] BeforeToken =
        ["UPSTREAM_UNAVAILABLE", "UPSTREAM_RATE_LIMITED", "FIRST_TOKEN_TIMEOUT", "DEADLINE", "OVERLOADED"];

    private static readonly string[] AfterToken =
        ["UPSTREAM_STALLED", "UPSTREAM_TRUNCATED", "UPSTREAM_MALFORMED", "UPSTREAM_FAILED"];

    private readonly ILookup<int, FaultyAnswer> _answers = upstream.Answers.Values.ToLookup(static answer => answer.Call);
    private readonly List<string> _broken = [];
    private FaultyCall _call = null!;

    /// <summary>The rules that were broken, with the call.</summary>
    public IReadOnlyList<string> Broken => _broken;

    /// <summary>Checks a call against what its upstream did and what the bill says.</summary>
    /// <param name="call">The call, at its end.</param>
    /// <param name="records">The usage records of its name.</param>
    public void Check(FaultyCall call, IReadOnlyList<JsonElement> records)
    {
        _call = call;
        Must(records.Count == 1 || (records.Count == 0 && call.MayHaveLeft && call.Chunks.Count == 0), $"{records.Count} usage records");
        CheckMessages();
        var served = CheckText();
        CheckEnd(served);
        if (call.Summary is { } summary) CheckSummary(summary, served);
        if (call.Summary is { } told && records is [var record]) CheckRecord(told, record);
        if (call.Summary is null)
            Must(call.MayHaveLeft, "no summary");
    }

    private void CheckMessages()
    {
        for (var n = 0; n < _call.Chunks.Count; n++)
        {
            var chunk = _call.Chunks[n];
            Must(chunk.Sequence == (ulong)n + 1, $"message {n + 1} has sequence {chunk.Sequence}");
            Must(chunk.TokenGapsUs.Count == chunk.TokenCount, $"message {n + 1} has another number of gaps than tokens");
            Must(chunk.Finish is null || n == _call.Chunks.Count - 1, "a finish that is not last");
        }

        var answer = _call.Chunks.Where(static chunk => chunk.Progress is null).ToList();
        Must(answer.Count(static chunk => chunk.Started is not null) == Math.Min(1, answer.Count), "not one started");
        if (answer.Count > 0) Must(answer[0].Started is not null, "started does not come first");
        Must(answer.Count == _call.Chunks.Count || _call.Behaviour == Behaviour.Progress, "progress that nobody asked for");
    }

    /// <summary>The answer whose tokens came; null: none did.</summary>
    private FaultyAnswer? CheckText()
    {
        var text = _call.Text;
        Must((text.Length == 0) == (_call.Tokens == 0), "text without tokens, or tokens without text");
        if (text.Length == 0) return null;
        if (!int.TryParse(text.AsSpan(0, Math.Max(0, text.IndexOf('.'))), out var id)
            || !upstream.Answers.TryGetValue(id, out var answer))
        {
            Must(false, $"text of no answer: {text}");
            return null;
        }

        Must(answer.Call == _call.Number, $"text of call {answer.Call}");
        Must(text == string.Concat(answer.Pieces.Take((int)_call.Tokens)), $"text is no copy of answer {id}: {text}");
        Must(_call.Chunks.First(static chunk => chunk.Started is not null).Started.Backend == answer.Backend, "started names another backend");
        return answer;
    }

    private void CheckEnd(FaultyAnswer? served)
    {
        var finish = _call.Chunks.Count > 0 ? _call.Chunks[^1].Finish : null;
        if (_call.Status.StatusCode == StatusCode.OK)
        {
            if (finish is null)
            {
                Must(false, "OK without finish");
                return;
            }

            Must(finish.StreamedTokens == _call.Tokens, $"finish tells of {finish.StreamedTokens} tokens");
            switch (finish.Reason)
            {
                case FinishReason.Stop when served is not null:
                    Must(served.Fault is Fault.None or Fault.SlowStart, $"STOP though {served.Fault}");
                    Must(_call.Tokens == served.Pieces.Count, "STOP without the whole text");
                    Must(finish.Usage.OutputTokens == served.Pieces.Count, "not the output tokens that were reported");
                    // It comes behind the last token, and is not waited for without end.
                    Must(
                        finish.Usage.InputTokens == served.InputTokens || finish.Usage.Source == UsageSource.Estimated,
                        "not the input tokens that were reported");
                    break;
                case FinishReason.TimeBudget:
                    Must(_call.Behaviour is Behaviour.HasBudget or Behaviour.HasDeadline && _call.Tokens > 0, "TIME_BUDGET");
                    break;
                case FinishReason.Cancelled:
                    Must(_call.Behaviour == Behaviour.IsCancelledByName, "CANCELLED");
                    break;
                default:
                    Must(false, $"finish {finish.Reason}");
                    break;
            }

            return;
        }

        Must(finish is null || _call.MayHaveLeft, "a finish and a failure");
        if (_call.Trailers.GetValueBytes("grpc-status-details-bin") is not { } bytes)
        {
            Must(_call.MayHaveLeft, $"no details: {_call.Status}");
            return;
        }

        var details = Google.Rpc.Status.Parser.ParseFrom(bytes).Details;
        var errors = details.Where(static any => any.Is(ErrorInfo.Descriptor)).Select(static any => any.Unpack<ErrorInfo>()).ToList();
        if (errors is not [var error])
        {
            Must(false, $"{errors.Count} error infos");
            return;
        }

        var delivered = _call.Tokens > 0;
        Must((delivered ? AfterToken : BeforeToken).Contains(error.Reason), $"{error.Reason} after {_call.Tokens} tokens");
        if (delivered) Must(_call.Status.StatusCode == StatusCode.Aborted, "not ABORTED");
        Must(error.Metadata["last_sequence"] == $"{_call.Chunks.Count}", $"last_sequence {error.Metadata["last_sequence"]}");
        Must(error.Metadata["streamed_tokens"] == $"{_call.Tokens}", $"streamed_tokens {error.Metadata["streamed_tokens"]}");
        Must(error.Metadata["retry_safe"] == (delivered ? "false" : "true"), $"retry_safe {error.Metadata["retry_safe"]}");
        var retry = details.Where(static any => any.Is(RetryInfo.Descriptor)).Select(static any => any.Unpack<RetryInfo>()).ToList();
        Must(retry.Count == (delivered || error.Reason == "DEADLINE" ? 0 : 1), $"{retry.Count} retry infos");
        var pushback = _call.Trailers.GetValue("grpc-retry-pushback-ms");
        Must(pushback == (retry is [var info] ? $"{(long)info.RetryDelay.ToTimeSpan().TotalMilliseconds}" : "-1"), $"pushback {pushback}");
    }

    private void CheckSummary(GenerationSummary summary, FaultyAnswer? answer)
    {
        var log = summary.AttemptLog;
        Must(summary.RequestId == _call.RequestId, "summary of another call");
        Must(summary.StreamedTokens == _call.Tokens && summary.LastSequence == (ulong)_call.Chunks.Count, "summary tells another length");
        Must(summary.Attempts == log.Count && log.Count <= maxAttempts, $"{summary.Attempts} attempts, {log.Count} told");
        Must(log.Select(static one => (int)one.Number).SequenceEqual(Enumerable.Range(1, log.Count)), "attempts are not numbered");
        Must(log.All(static one => one.Outcome != AttemptOutcome.Unspecified), "attempt without outcome");
        Must(log.All(static one => (one.Outcome == AttemptOutcome.Failed) == (one.ErrorReason != ErrorReason.Unspecified)), "attempt without reason");
        Must(log.All(one => one.StartUs + one.DurationUs <= summary.Timing.TotalUs), "attempt longer than the call");
        Must(log.Zip(log.Skip(1)).All(static pair => pair.First.StartUs <= pair.Second.StartUs), "attempts out of order");
        if (summary.ErrorReason == ErrorReason.UpstreamRateLimited)
            Must(log.All(static one => one.ErrorReason is ErrorReason.UpstreamRateLimited || one.Outcome == AttemptOutcome.Cancelled), "RATE_LIMITED among others");

        var served = log.Where(static one => one.Outcome == AttemptOutcome.Served).ToList();
        Must(served.Count == (answer is null ? 0 : 1), $"{served.Count} attempts served");
        if (served is [var one] && answer is not null)
        {
            Must(one.Backend == answer.Backend && summary.Backend == answer.Backend, $"served by {one.Backend}, text of {answer.Backend}");
            Must(one.KeyLabel == keyLabels[answer.Key], $"served with {one.KeyLabel}, text of {keyLabels[answer.Key]}");
            Must(one.Usage.Equals(summary.Usage), "usage of the call is not that of the attempt");
            Must(log.All(other => other.StartUs <= summary.Timing.TtftUs), "an attempt began after the first token");
            Must(log.All(other => ReferenceEquals(other, one) || other.StartUs + other.DurationUs >= one.StartUs || other.Outcome == AttemptOutcome.Failed), "gave up before the next began");
        }

        // An attempt that was given up may not have reached the upstream; no request reached it without an attempt.
        foreach (var lane in _answers[_call.Number].GroupBy(static answer => (answer.Backend, answer.Key)))
        {
            var attempts = log.Count(one => one.Backend == lane.Key.Backend && one.KeyLabel == keyLabels[lane.Key.Key]);
            Must(lane.Count() <= attempts, $"{lane.Count()} requests and {attempts} attempts at {lane.Key.Backend}");
        }

        var answered = log.Count(static one => one.Outcome == AttemptOutcome.Served)
            + log.Count(static one => one.ErrorReason is ErrorReason.UpstreamRateLimited);
        Must(_answers[_call.Number].Count() >= answered, "an attempt that no upstream heard of");
    }

    private void CheckRecord(GenerationSummary summary, JsonElement record)
    {
        Must(record.GetProperty("attempts").GetUInt32() == summary.Attempts, "record and summary differ in attempts");
        Must(record.GetProperty("streamed_tokens").GetUInt32() == summary.StreamedTokens, "record and summary differ in tokens");
        Must(record.GetProperty("last_sequence").GetUInt64() == summary.LastSequence, "record and summary differ in messages");
        Must(record.GetProperty("output_tokens").GetUInt32() == summary.Usage.OutputTokens, "record and summary differ in usage");
        Must(record.GetProperty("backend").GetString() == summary.Backend, "record and summary differ in backend");
        Must(record.TryGetProperty("error_reason", out _) == (summary.ErrorReason != ErrorReason.Unspecified), "record and summary differ in the end");
    }

    private void Must(bool holds, string otherwise)
    {
        if (!holds) _broken.Add($"{otherwise} — {_call}; upstream: {string.Join(", ", _answers[_call.Number].Select(static one => $"{one.Backend} {one.Fault}"))}");
    }
}
