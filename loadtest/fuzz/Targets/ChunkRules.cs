using System.Text;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>What is true of the messages of every stream (rules 1 to 7 and 10 of the contract).</summary>
internal static class ChunkRules
{
    private const int MaxChunkBytes = 1 << 20;

    public static void Check(IReadOnlyList<TokenChunk> chunks, IReadOnlyList<BackendEvent> events, int first, bool isComplete)
    {
        for (var n = 0; n < chunks.Count; n++)
        {
            var chunk = chunks[n];
            Must(chunk.Sequence == (ulong)n + 1, $"message {n + 1} has sequence {chunk.Sequence}");
            Must(chunk.Started is not null == (n == 0), "started comes with the first message, and only there");
            Must(chunk.Finish is null || (isComplete && n == chunks.Count - 1), "a finish that is not last, or of a failure");
            Must(chunk.TokenGapsUs.Count == chunk.TokenCount, "another number of gaps than tokens");
            Must(chunk.CalculateSize() <= MaxChunkBytes, $"a message of {chunk.CalculateSize()} bytes");
            Must(IsWhole(chunk.Text) && IsWhole(chunk.Reasoning) && IsWhole(chunk.Refusal), "half a character");
        }

        if (isComplete) Must(chunks.Count > 0 && chunks[^1].Finish is not null, "no finish");
        var tokens = chunks.Sum(static chunk => chunk.TokenCount);
        var given = events.Skip(first).Sum(static one => one.IsDelta ? one.TokenCount : 0);
        Must(isComplete ? tokens == given : tokens <= given, $"{tokens} tokens of {given}");
        if (isComplete && chunks[^1].Finish is { } finish)
        {
            Must(finish.StreamedTokens == tokens, "finish tells another number of tokens");
            Must(finish.Timing.TpotTokens <= finish.Usage.OutputTokens, $"{finish.Timing.TpotTokens} of {finish.Usage.OutputTokens} tokens for TPOT");
        }

        // Half a character may be all that came before a failure: that is nothing.
        if (chunks.Count == 0) return;
        Compare(events, BackendEventKind.Text, chunks, static chunk => chunk.Text);
        Compare(events, BackendEventKind.Reasoning, chunks, static chunk => chunk.Reasoning);
        Compare(events, BackendEventKind.Refusal, chunks, static chunk => chunk.Refusal);
        CompareCalls(events, chunks);
    }

    private static void Compare(
        IReadOnlyList<BackendEvent> events, BackendEventKind kind, IReadOnlyList<TokenChunk> chunks, Func<TokenChunk, string> of)
    {
        var expected = string.Concat(Runs(events).Where(run => run[0].Kind == kind).Select(static run => Whole(string.Concat(run.Select(static one => one.Text)))));
        var actual = string.Concat(chunks.Select(of));
        Must(actual == expected, $"{kind} is no copy: {actual}");
    }

    private static void CompareCalls(IReadOnlyList<BackendEvent> events, IReadOnlyList<TokenChunk> chunks)
    {
        var expected = Runs(events).Where(static run => run[0].ToolCall is not null)
            .Select(static run => (run[0].ToolCall!.Index, Whole(string.Concat(run.Select(static one => one.ToolCall!.ArgumentsFragment)))));
        var actual = chunks.Select(static chunk => chunk.ToolCall).OfType<ToolCallDelta>().ToList();
        var arguments = actual.ToLookup(static delta => delta.Index, static delta => delta.ArgumentsFragment);
        foreach (var call in expected.GroupBy(static one => one.Index, static one => one.Item2))
            Must(string.Concat(arguments[call.Key]) == string.Concat(call), $"a tool call is no copy: {string.Concat(arguments[call.Key])}");
        var given = events.Select(static one => one.ToolCall).OfType<ToolCallDelta>().ToList();
        Must(Heads(given).SequenceEqual(Heads(actual)), "other tool calls");
    }

    private static IEnumerable<string> Heads(IEnumerable<ToolCallDelta> deltas) => deltas
        .Where(static one => one.Name.Length > 0 || one.Done).GroupBy(static one => one.Index).OrderBy(static call => call.Key)
        .Select(static call => $"{string.Concat(call.Select(static one => one.Id))} {string.Concat(call.Select(static one => one.Name))} {call.Any(static one => one.Done)}");

    /// <summary>
    /// Deltas of one kind, part and call that follow each other. Half a surrogate pair is completed within a run only; a
    /// signature or what is no piece of the answer does not end one.
    /// </summary>
    private static List<List<BackendEvent>> Runs(IReadOnlyList<BackendEvent> events)
    {
        List<List<BackendEvent>> runs = [];
        foreach (var one in events.Where(static one => one.IsDelta))
        {
            if (runs is [.., var last] && last[0].Kind == one.Kind && last[0].PartIndex == one.PartIndex && last[0].ToolCall?.Index == one.ToolCall?.Index)
                last.Add(one);
            else runs.Add([one]);
        }

        return runs;
    }

    /// <summary>With U+FFFD for half a surrogate pair.</summary>
    private static string Whole(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    public static bool IsWhole(string text) => Whole(text) == text;

    private static void Must(bool holds, string otherwise) => FindingException.Unless(holds, otherwise);
}
