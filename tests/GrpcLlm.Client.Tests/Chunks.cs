using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests;

/// <summary>Chunks as a server sends them.</summary>
internal static class Chunks
{
    public const string RequestId = "req-1";

    public static TokenChunk First(string text, uint tokens = 1) => new()
    {
        Sequence = 1,
        TokenCount = tokens,
        Text = text,
        Started = new Started { RequestId = RequestId, Model = "tiny", Backend = "embedded", InputTokens = 3 },
    };

    public static TokenChunk Text(ulong sequence, string text, uint tokens = 1) =>
        new() { Sequence = sequence, TokenCount = tokens, Text = text };

    public static TokenChunk End(ulong sequence, FinishReason reason = FinishReason.Stop) => new()
    {
        Sequence = sequence,
        Finish = new Finish
        {
            Reason = reason,
            Usage = new Usage { InputTokens = 3, OutputTokens = 2, Source = UsageSource.Counted },
            Timing = new Timing { TtftUs = 203_000, TpotUs = 20_100, TotalUs = 500_000, TpotTokens = 2 },
            Model = "tiny",
            Backend = "embedded",
            Attempts = 1,
            StreamedTokens = 2,
        },
    };

    /// <summary>A whole answer: "Hello world".</summary>
    public static TokenChunk[] Answer() => [First("Hello"), Text(2, " world"), End(3)];
}
