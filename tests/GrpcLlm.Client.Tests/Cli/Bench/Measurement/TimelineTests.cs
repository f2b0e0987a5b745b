using GrpcLlm.Cli.Bench.Measurement;

namespace GrpcLlm.Client.Tests.Cli.Bench.Measurement;

public sealed class TimelineTests
{
    [Fact]
    public void Steps_HoldWhatHappenedInThem()
    {
        var timeline = new Timeline(RunClock.Second);
        timeline.Add(Given.Stream(ttft: 900, itl: 500, tokens: 3, open: 1), "stop");
        timeline.Add(Given.Failure(sent: 500, ended: 2500), "OVERLOADED");
        var points = timeline.Points(measuredFrom: Given.At(1000));

        points.Select(point => (point.AtSeconds, point.Warmup, point.Started, point.Succeeded, point.Chunks)).ShouldBe(
            [(0, true, 2, 0, 1), (1, false, 0, 1, 2), (2, false, 0, 0, 0)]);
        points[0].Ttft!.P50.ShouldBe(900, 9);
        points[1].Ttft.ShouldBeNull();
        points[1].Tpot!.P50.ShouldBe(500, 5);
        points[2].Failed.ShouldHaveSingleItem().ShouldBe(KeyValuePair.Create("OVERLOADED", 1L));
    }

    [Fact]
    public void Open_IsTheMostAtOnceAlsoWhereNothingStarts()
    {
        var timeline = new Timeline(RunClock.Second);
        timeline.Add(Given.Stream(sent: 0, ttft: 2500, tokens: 1, open: 1), "stop");
        timeline.Add(Given.Stream(sent: 100, ttft: 3500, tokens: 1, open: 2), "stop");

        timeline.Points(0).Select(point => point.Open).ShouldBe([2, 2, 2, 1]);
    }

    [Fact]
    public void Steps_OfALongRun_AreMergedAndLoseNothing()
    {
        var timeline = new Timeline(RunClock.Second);
        const int seconds = 10_000;
        for (var second = 0; second < seconds; second++)
            timeline.Add(Given.Stream(second, second * 1000, second * 1000, ttft: 100, itl: 10, tokens: 5), "stop");
        var points = timeline.Points(0);

        points.Count.ShouldBeInRange(Timeline.MostSteps / 2, Timeline.MostSteps);
        timeline.StepSeconds.ShouldBe(16);
        points[1].AtSeconds.ShouldBe(16);
        points.Sum(point => point.Started).ShouldBe(seconds);
        points.Sum(point => point.Succeeded).ShouldBe(seconds);
        points.Sum(point => point.OutputTokens).ShouldBe(seconds * 5);
        points.ShouldAllBe(point => point.Open == 1 && Math.Abs(point.Ttft!.P50 - 100) < 1);
    }
}
