using System.Text.Json;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>What is true of the stream of every call, whatever its backend and its client did (api.md: stream rules, errors).</summary>
/// <param name="broken">Gets the rules that are broken, with the call.</param>
internal sealed class StreamRules(Action<FaultyCall, string> broken)
{
    // Status before the first token, and after it; null: never sent then.
    private static readonly Dictionary<string, (StatusCode? Before, StatusCode? After)> Reasons = new(StringComparer.Ordinal)
    {
        ["OVERLOADED"] = (StatusCode.Unavailable, null),
        ["DRAINING"] = (StatusCode.Unavailable, StatusCode.Aborted),
        ["UPSTREAM_RATE_LIMITED"] = (StatusCode.ResourceExhausted, null),
        ["UPSTREAM_UNAVAILABLE"] = (StatusCode.Unavailable, null),
        ["FIRST_TOKEN_TIMEOUT"] = (StatusCode.Unavailable, null),
        ["UPSTREAM_REJECTED"] = (StatusCode.FailedPrecondition, null),
        ["DEADLINE"] = (StatusCode.DeadlineExceeded, null),
        ["UPSTREAM_STALLED"] = (null, StatusCode.Aborted),
        ["UPSTREAM_TRUNCATED"] = (null, StatusCode.Aborted),
        ["UPSTREAM_MALFORMED"] = (null, StatusCode.Aborted),
        ["UPSTREAM_FAILED"] = (null, StatusCode.Aborted),
    };

    /// <summary>Rules that were checked.</summary>
    public long Checked { get; private set; }

    /// <summary>Checks a call at its end.</summary>
    /// <param name="call">The call.</param>
    /// <param name="records">The usage records of its name.</param>
    public void Check(FaultyCall call, IReadOnlyList<JsonElement> records)
    {
        var neverSeen = call.MayHaveLeft || call.MetRestart;
        Must(call, records.Count == 1 || (records.Count == 0 && neverSeen && call.Chunks.Count == 0), $"{records.Count} usage records");
        CheckMessages(call);
        CheckGaps(call);
        CheckEnd(call);
        if (call.Summary is { } summary) CheckSummary(call, summary);
        else Must(call, neverSeen, "no summary");
        if (records is [var record]) CheckRecord(call, call.Summary, record);
    }

    /// <summary>Notes a rule that is broken.</summary>
    public void Must(FaultyCall call, bool holds, string otherwise)
    {
        Checked++;
        if (!holds) broken(call, otherwise);
    }

    private void CheckMessages(FaultyCall call)
    {
        for (var n = 0; n < call.Chunks.Count; n++)
        {
            var chunk = call.Chunks[n];
            Must(call, chunk.Sequence == (ulong)n + 1, $"message {n + 1} has sequence {chunk.Sequence}");
            Must(call, chunk.TokenGapsUs.Count == chunk.TokenCount, $"message {n + 1} has another number of gaps than tokens");
            Must(call, chunk.Finish is null || n == call.Chunks.Count - 1, "a finish that is not last");
        }

        var answer = call.Chunks.Where(static chunk => chunk.Progress is null).ToList();
        Must(call, answer.Count(static chunk => chunk.Started is not null) == Math.Min(1, answer.Count), "not one started");
        if (answer.Count > 0) Must(call, answer[0].Started is not null, "started does not come first");
        Must(call, answer.Count == call.Chunks.Count || call.Behaviour == Behaviour.Progress, "progress that nobody asked for");
        Must(call, call.Text.Length == 0 == (call.Tokens == 0), "text without tokens, or tokens without text");
    }

    /// <summary>The sum of all gaps is the arrival of the last token, so it is not behind the message that brought it.</summary>
    private void CheckGaps(FaultyCall call)
    {
        ulong sum = 0;
        foreach (var chunk in call.Chunks)
        {
            foreach (var gap in chunk.TokenGapsUs) sum += gap;
            if (chunk.TokenCount > 0) Must(call, sum <= chunk.ElapsedUs, $"gaps of {sum} µs in a message at {chunk.ElapsedUs} µs");
        }

        var timing = call.Chunks is [.., { Finish: { } finish }] ? finish.Timing : null;
        if (timing is not { HasTpotUs: true } || timing.TpotTokens != call.Tokens) return;
        var first = call.Chunks.SelectMany(static chunk => chunk.TokenGapsUs).First();
        Must(call, Math.Abs(((sum - first) / (double)(call.Tokens - 1)) - timing.TpotUs) < 1.5, $"TPOT of {timing.TpotUs} µs, gaps of {sum - first} µs");
    }

    private void CheckEnd(FaultyCall call)
    {
        var finish = call.Chunks.Count > 0 ? call.Chunks[^1].Finish : null;
        if (call.Status.StatusCode != StatusCode.OK)
        {
            // A client that leaves may do so after the finish and before the trailers.
            Must(call, finish is null || call.MayHaveLeft, "a finish and a failure");
            CheckFailure(call);
            return;
        }

        Must(call, finish is not null, "OK without finish");
        if (finish is null) return;
        Must(call, finish.StreamedTokens == call.Tokens, $"finish tells of {finish.StreamedTokens} tokens");
        Must(call, finish.Usage.OutputTokens >= call.Tokens, $"usage of {finish.Usage.OutputTokens} tokens");
        Must(call, finish.Timing.TpotTokens <= finish.Usage.OutputTokens, $"{finish.Timing.TpotTokens} tokens for TPOT");
        Must(call, call.Trailers.GetValue("finish-reason") == WordOf(finish.Reason), $"finish-reason {call.Trailers.GetValue("finish-reason")}");
        Must(call, call.Trailers.GetValue("request-id") is null or { Length: > 0 }, "an empty request-id");
        if (call.Summary is not { } summary) return;
        Must(call, summary.FinishReason == finish.Reason && summary.Usage.Equals(finish.Usage), "trailers are no mirror of the finish");
        Must(call, summary.Backend == finish.Backend && summary.Attempts == finish.Attempts, "trailers are no mirror of the finish");
        if (finish.Reason == FinishReason.TimeBudget)
            Must(call, call.Behaviour is Behaviour.HasBudget or Behaviour.HasDeadline && call.Tokens > 0, "TIME_BUDGET");
        if (finish.Reason == FinishReason.Cancelled) Must(call, call.Behaviour == Behaviour.IsCancelledByName, "CANCELLED");
    }

    private void CheckFailure(FaultyCall call)
    {
        var delivered = call.Tokens > 0;
        if (call.Trailers.GetValueBytes("grpc-status-details-bin") is not { } bytes)
        {
            // INTERNAL is what Grpc.Net.Client makes of a connection that the server closed in good order before a request.
            Must(call, call.MayHaveLeft || (call.MetRestart && !delivered && (call.Status.StatusCode is StatusCode.Unavailable or StatusCode.Internal)), "no details");
            return;
        }

        Must(call, call.Trailers.GetValue("finish-reason") == "error", $"finish-reason {call.Trailers.GetValue("finish-reason")}");
        var details = Google.Rpc.Status.Parser.ParseFrom(bytes).Details;
        var errors = details.Where(static any => any.Is(ErrorInfo.Descriptor)).Select(static any => any.Unpack<ErrorInfo>()).ToList();
        Must(call, errors.Count == 1, $"{errors.Count} error infos");
        if (errors is not [var error]) return;

        Must(call, Reasons.TryGetValue(error.Reason, out var statuses), $"{error.Reason} of a valid call");
        // The client's own deadline may pass, and it may cancel, between the trailers and their reading.
        var isOwn = call.Behaviour switch
        {
            Behaviour.HasDeadline => call.Status.StatusCode == StatusCode.DeadlineExceeded,
            Behaviour.CancelsAtAnyTime or Behaviour.CancelsWhileReading => call.Status.StatusCode == StatusCode.Cancelled,
            _ => false,
        };
        Must(call, isOwn || call.Status.StatusCode == (delivered ? statuses.After : statuses.Before), $"{error.Reason} after {call.Tokens} tokens");
        Must(call, error.Reason != "DRAINING" || call.MetRestart, "DRAINING while it was not stopped");
        Must(call, error.Metadata["last_sequence"] == $"{call.Chunks.Count}", $"last_sequence {error.Metadata["last_sequence"]}");
        Must(call, error.Metadata["streamed_tokens"] == $"{call.Tokens}", $"streamed_tokens {error.Metadata["streamed_tokens"]}");
        Must(call, error.Metadata["retry_safe"] == (delivered || error.Reason == "UPSTREAM_REJECTED" ? "false" : "true"), $"retry_safe {error.Metadata["retry_safe"]}");
        var retry = details.Where(static any => any.Is(RetryInfo.Descriptor)).Select(static any => any.Unpack<RetryInfo>()).ToList();
        Must(call, retry.Count == (delivered || error.Reason is "DEADLINE" or "UPSTREAM_REJECTED" ? 0 : 1), $"{retry.Count} retry infos");
        var pushback = call.Trailers.GetValue("grpc-retry-pushback-ms");
        Must(call, pushback == (retry is [var info] ? $"{(long)info.RetryDelay.ToTimeSpan().TotalMilliseconds}" : "-1"), $"pushback {pushback}");
    }

    private void CheckSummary(FaultyCall call, GenerationSummary summary)
    {
        var log = summary.AttemptLog;
        Must(call, summary.RequestId == call.RequestId, "summary of another call");
        Must(call, summary.StreamedTokens == call.Tokens && summary.LastSequence == (ulong)call.Chunks.Count, "summary tells another length");
        Must(call, log.Select(static one => (int)one.Number).SequenceEqual(Enumerable.Range(1, log.Count)), "attempts are not numbered");
        Must(call, log.All(static one => one.Outcome != AttemptOutcome.Unspecified), "attempt without outcome");
        Must(call, log.All(static one => (one.Outcome == AttemptOutcome.Failed) == (one.ErrorReason != ErrorReason.Unspecified)), "attempt without reason");
        Must(call, log.All(one => one.StartUs + one.DurationUs <= summary.Timing.TotalUs), "attempt longer than the call");
        Must(call, log.Zip(log.Skip(1)).All(static pair => pair.First.StartUs <= pair.Second.StartUs), "attempts out of order");
        Must(call, log.Count(static one => one.Outcome == AttemptOutcome.Served) == (call.Tokens > 0 || IsEmptyAnswer(call) ? 1 : 0), "not one attempt served");
    }

    // An end without a token is an answer too.
    private static bool IsEmptyAnswer(FaultyCall call) =>
        call.Chunks is [.., { Finish: { Reason: not (FinishReason.Cancelled or FinishReason.TimeBudget) } }];

    private void CheckRecord(FaultyCall call, GenerationSummary? summary, JsonElement record)
    {
        var streamed = record.GetProperty("streamed_tokens").GetUInt32();
        Must(call, streamed >= call.Tokens, "the record tells of fewer tokens than came");
        Must(call, record.TryGetProperty("error_reason", out _) != record.TryGetProperty("finish_reason", out _), "a record with two ends, or none");
        if (summary is null) return;
        Must(call, record.GetProperty("attempts").GetUInt32() == summary.Attempts, "record and summary differ in attempts");
        Must(call, streamed == summary.StreamedTokens, "record and summary differ in tokens");
        Must(call, record.GetProperty("last_sequence").GetUInt64() == summary.LastSequence, "record and summary differ in messages");
        Must(call, record.GetProperty("output_tokens").GetUInt32() == summary.Usage.OutputTokens, "record and summary differ in usage");
        Must(call, record.GetProperty("backend").GetString() == summary.Backend, "record and summary differ in backend");
        Must(call, record.TryGetProperty("error_reason", out _) == (summary.ErrorReason != ErrorReason.Unspecified), "record and summary differ in the end");
    }

    private static string WordOf(FinishReason reason) => JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString());
}
