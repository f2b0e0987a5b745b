using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Cli.Bench.Measurement;

public sealed class StreamTraceTests
{
    [Fact]
    public void Times_OfAnEvenStream_MatchTheDefinitions()
    {
        var trace = Given.Stream(planned: 1000, sent: 1003, ttft: 200, itl: 20, tokens: 20);

        // From the plan: 3 ms late, 200 ms to the first token, 19 gaps of 20 ms.
        trace.Ttft.ShouldBe(203 * Given.Millisecond);
        trace.Tpot.ShouldBe(20 * Given.Millisecond);
        trace.E2e.ShouldBe(583 * Given.Millisecond);
        trace.Ntpot.ShouldBe(583 * Given.Millisecond / 20);
        trace.Gaps.Kept.ToArray().ShouldBe(Enumerable.Repeat(20 * Given.Millisecond, 19));
    }

    [Fact]
    public void Gaps_InMergedChunks_AreTheServersInsideAndTheClientsBetween()
    {
        var trace = Given.Started();
        trace.Observe(Given.Chunk(2, 150_000, 5_000), Given.At(200), isMeasured: true);
        trace.Observe(Given.Chunk(3, 90_000, 7_000, 0), Given.At(230), isMeasured: true);
        trace.Observe(Given.Chunk(), Given.At(250), isMeasured: true);

        trace.Tokens.ShouldBe(6);
        trace.Chunks.ShouldBe(3);
        trace.Gaps.Kept.ToArray().Select(gap => gap / Given.Millisecond).ShouldBe([5, 30, 7, 0, 20]);
    }

    [Fact]
    public void Gaps_ThatTheServerDoesNotTell_AreNone()
    {
        var trace = Given.Started();
        trace.Observe(Given.Chunk(4), Given.At(200), isMeasured: true);
        trace.Observe(Given.Chunk(uint.MaxValue, 1), Given.At(220), isMeasured: true);
        var histogram = new Histogram();
        trace.Gaps.AddTo(histogram);

        histogram.Count.ShouldBe(3L + uint.MaxValue);
        histogram.Max.ShouldBe(20 * Given.Millisecond);
        histogram.Percentile(50).ShouldBe(0);
    }

    [Fact]
    public void Tpot_WhereTheServerCountsOtherwise_RestsOnItsTokens()
    {
        // Ten reasoning tokens were never streamed; the backend sends two tokens a message.
        var trace = Given.Started();
        trace.Observe(Given.Chunk(), Given.At(100), isMeasured: true);
        trace.Observe(Given.Chunk(), Given.At(160), isMeasured: true);
        trace.Finished(
            new Finish { Usage = new Usage { OutputTokens = 14 }, Timing = new Timing { TpotTokens = 4 } }, Given.At(170));

        trace.Tpot.ShouldBe(20 * Given.Millisecond);
        trace.Ntpot.ShouldBe((170 * Given.Millisecond + 7) / 14);
    }

    [Fact]
    public void Times_WithOneOrNoToken_AreAbsentWhereUndefined()
    {
        var one = Given.Stream(tokens: 1);
        var none = Given.Stream(tokens: 0);

        (one.Ttft, one.Tpot).ShouldBe((200 * Given.Millisecond, null));
        (none.Ttft, none.Tpot, none.Ntpot).ShouldBe((null, null, null));
    }

    [Fact]
    public void Progress_BeforeTheFirstToken_IsAChunkButNoToken()
    {
        var trace = Given.Started();
        trace.Observe(new TokenChunk { Progress = new Progress() }, Given.At(10), isMeasured: true);
        trace.Observe(Given.Chunk(), Given.At(50), isMeasured: true);

        trace.Ttft.ShouldBe(50 * Given.Millisecond);
        (trace.Chunks, trace.Tokens).ShouldBe((2, 1));
    }

    [Fact]
    public void Gaps_OfAVeryLongStream_AreAllCounted()
    {
        var trace = Given.Started();
        const int tokens = 100_000;
        for (var index = 0; index <= tokens; index++) trace.Observe(Given.Chunk(), Given.At(index), isMeasured: true);
        var histogram = new Histogram();
        trace.Gaps.AddTo(histogram);

        histogram.Count.ShouldBe(tokens);
        (histogram.Min, histogram.Max).ShouldBe((Given.Millisecond, Given.Millisecond));
        trace.Gaps.Kept.Length.ShouldBeLessThan(5000);
    }

    [Fact]
    public void Start_Again_ForgetsTheStreamBefore()
    {
        var trace = Given.Failure(tokens: 3);
        trace.Start(7, Given.At(10), Given.At(11), isWarmup: false, openAtStart: 2);

        (trace.Number, trace.Chunks, trace.Tokens, trace.Ttft, trace.End, trace.Failure).ShouldBe((7, 0, 0, null, StreamEnd.Unfinished, null));
        trace.Gaps.Kept.Length.ShouldBe(0);
        trace.Arrivals.ShouldBeEmpty();
    }

    [Fact]
    public void Observe_OnceItsBuffersHaveGrown_AllocatesNothing()
    {
        var trace = Given.Started();
        var chunk = Given.Chunk(2, 20_000, 10);
        for (var index = 0; index < 10_000; index++) trace.Observe(chunk, index, isMeasured: true);
        trace.Start(1, 0, 0, isWarmup: false, openAtStart: 1);
        var before = GC.GetAllocatedBytesForCurrentThread();

        for (var index = 0; index < 2_000; index++) trace.Observe(chunk, index, isMeasured: true);

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }
}
