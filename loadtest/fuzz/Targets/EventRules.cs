using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>What is true of the events of every answer, whatever the provider sent.</summary>
internal static class EventRules
{
    public static void Check(IReadOnlyList<BackendEvent> events, BackendException? failure, int bodyLength)
    {
        var calls = new List<Call>();
        long text = 0;
        uint nextPart = 0;
        for (var n = 0; n < events.Count; n++)
        {
            var one = events[n];
            text += one.Text.Length + (one.ToolCall?.ArgumentsFragment.Length ?? 0);
            if (one.Kind == BackendEventKind.Finished) Must(failure is null && n == events.Count - 1, "something follows the end");
            if (one.Kind == BackendEventKind.Opened)
                Must(events.Take(n).All(static before => !before.IsDelta && before.Kind != BackendEventKind.Opened), "opens twice, or late");
            if (one.ToolCall is { } delta) CheckCall(delta, one, calls);
            if (one.IsDelta || one.Kind == BackendEventKind.Signature)
            {
                Must(one.PartIndex <= nextPart, $"part {one.PartIndex} follows part {(long)nextPart - 1}");
                nextPart = Math.Max(nextPart, one.PartIndex + 1);
            }

            if (one.Usage is { } usage) CheckUsage(usage);
            if (one.Ending?.Usage is { } final) CheckUsage(final);
            if (one.Ending is { Reason: FinishReason.ToolCalls or FinishReason.Stop })
                Must(calls.TrueForAll(static call => call.IsDone), "a complete answer with a tool call that is not done");
        }

        Must(failure is not null || (events.Count > 0 && events[^1].Kind == BackendEventKind.Finished), "no end");

        // Escapes of JSON only shrink; what a call of pieces writes for each piece is short.
        Must(text <= 16L + (8L * bodyLength), $"{text} characters came of {bodyLength} bytes");
    }

    private static void CheckCall(ToolCallDelta delta, BackendEvent one, List<Call> calls)
    {
        Must(delta.Index <= calls.Count, $"call {delta.Index} follows call {calls.Count - 1}");
        var isFirst = delta.Index == calls.Count;
        if (isFirst) calls.Add(new Call(one.PartIndex));
        var call = calls[(int)delta.Index];
        Must(isFirst == (delta.Id.Length > 0), "the id of a call comes with its first delta, and only there");
        Must(isFirst == (delta.Name.Length > 0), "the name of a call comes with its first delta, and only there");
        Must(!call.IsDone, "a call goes on after it was done");
        Must(call.Part == one.PartIndex, "a call changes its part");
        call.Arguments.Append(delta.ArgumentsFragment);
        call.IsDone = delta.Done;
        if (!delta.Done || call.Arguments.Length == 0) return;
        using var parsed = JsonDocument.Parse(Encoding.UTF8.GetBytes(call.Arguments.ToString()));
        Must(parsed.RootElement.ValueKind == JsonValueKind.Object, "a call is done whose arguments are no object");
    }

    // Totals include their subsets (api.md, rule 6).
    private static void CheckUsage(Usage usage)
    {
        Must(usage.ReasoningTokens <= usage.OutputTokens, $"more reasoning than output: {usage}");
        if (usage.HasInputTokens)
            Must(Math.Min(uint.MaxValue, (ulong)usage.CachedInputTokens + usage.CacheWriteInputTokens) <= usage.InputTokens, $"more of the cache than input: {usage}");
    }

    private static void Must(bool holds, string otherwise) => FindingException.Unless(holds, otherwise);

    private sealed class Call(uint part)
    {
        public uint Part { get; } = part;

        public StringBuilder Arguments { get; } = new();

        public bool IsDone { get; set; }
    }
}
