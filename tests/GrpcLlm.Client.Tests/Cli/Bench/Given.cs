using Grpc.Core;
using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Cli.Bench;

/// <summary>Streams with times that a test chose, in milliseconds.</summary>
internal static class Given
{
    public const long Millisecond = 1_000_000;

    /// <summary>A stream that ended well: a first token, and others evenly after it.</summary>
    public static StreamTrace Stream(
        long number = 0, double? planned = null, double sent = 0, double ttft = 200, double itl = 20, int tokens = 20, bool isWarmup = false,
        int open = 1, Timing? timing = null)
    {
        var trace = Started(number, planned ?? sent, sent, isWarmup, open);
        for (var index = 0; index < tokens; index++) trace.Observe(Chunk(), At(sent + ttft + (itl * index)), !isWarmup);
        trace.Finished(End(tokens, timing), At(sent + ttft + (itl * Math.Max(0, tokens - 1))));
        return trace;
    }

    /// <summary>A stream that failed, after some tokens or none.</summary>
    public static StreamTrace Failure(
        string reason = "OVERLOADED", StatusCode status = StatusCode.Unavailable, int tokens = 0, double sent = 0, double ended = 1,
        bool isWarmup = false, long number = 0)
    {
        var trace = Started(number, sent, sent, isWarmup, 1);
        for (var index = 0; index < tokens; index++) trace.Observe(Chunk(), At(sent + 1), !isWarmup);
        trace.Failed(new GenerationException($"{reason} happened.") { ReasonName = reason, StatusCode = status }, At(ended));
        return trace;
    }

    public static StreamTrace Started(long number = 0, double planned = 0, double sent = 0, bool isWarmup = false, int open = 1)
    {
        var trace = new StreamTrace();
        trace.Start(number, At(planned), At(sent), isWarmup, open);
        return trace;
    }

    public static TokenChunk Chunk(uint tokens = 1, params uint[] gaps) => new() { TokenCount = tokens, TokenGapsUs = { gaps } };

    public static Finish End(int tokens, Timing? timing = null) => new()
    {
        Reason = FinishReason.Stop,
        Usage = new Usage { InputTokens = 7, OutputTokens = (uint)tokens },
        Timing = timing,
    };

    public static long At(double milliseconds) => (long)Math.Round(milliseconds * Millisecond);
}
