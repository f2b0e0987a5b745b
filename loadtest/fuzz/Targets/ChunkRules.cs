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

        Compare(events, BackendEventKind.Text, chunks, static chunk => chunk.Text);
        Compare(events, BackendEventKind.Reasoning, chunks, static chunk => chunk.Reasoning);
        Compare(events, BackendEventKind.Refusal, chunks, static chunk => chunk.Refusal);
        CompareCalls(events, chunks);
    }

    private static void Compare(
        IReadOnlyList<BackendEvent> events, BackendEventKind kind, IReadOnlyList<TokenChunk> chunks, Func<TokenChunk, string> of)
    {
        // Half a pair is completed within its part only.
        var expected = string.Concat(events.Where(one => one.Kind == kind).GroupBy(static one => one.PartIndex)
            .OrderBy(static part => part.Key).Select(static part => Whole(string.Concat(part.Select(static one => one.Text)))));
        var actual = string.Concat(chunks.OrderBy(static chunk => chunk.PartIndex).Select(of));
        Must(WithoutGaps(actual) == WithoutGaps(expected), $"{kind} is no copy: {actual}");
    }

    private static void CompareCalls(IReadOnlyList<BackendEvent> events, IReadOnlyList<TokenChunk> chunks)
    {
        var expected = Calls(events.Select(static one => one.ToolCall).OfType<ToolCallDelta>());
        var actual = Calls(chunks.Select(static chunk => chunk.ToolCall).OfType<ToolCallDelta>());
        Must(expected.Keys.Order().SequenceEqual(actual.Keys.Order()), "other tool calls");
        foreach (var (index, call) in expected) Must(actual[index] == call, $"a tool call is no copy: {actual[index]}");
    }

    private static Dictionary<uint, string> Calls(IEnumerable<ToolCallDelta> deltas) => deltas.GroupBy(static delta => delta.Index)
        .ToDictionary(static call => call.Key, static call =>
            $"{string.Concat(call.Select(static one => one.Id))} {string.Concat(call.Select(static one => one.Name))} "
            + $"{WithoutGaps(Whole(string.Concat(call.Select(static one => one.ArgumentsFragment))))} {call.Any(static one => one.Done)}");

    // Two parts that interleave flush half a pair at each change: U+FFFD, as often as there are halves.
    private static string WithoutGaps(string text) => text.Replace("\uFFFD", "", StringComparison.Ordinal);

    /// <summary>With U+FFFD for half a surrogate pair.</summary>
    private static string Whole(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    private static bool IsWhole(string text) => Whole(text) == text;

    private static void Must(bool holds, string otherwise) => FindingException.Unless(holds, otherwise);
}
