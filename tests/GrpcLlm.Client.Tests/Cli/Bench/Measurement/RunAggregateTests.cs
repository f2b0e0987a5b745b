using Grpc.Core;
using GrpcLlm.Cli.Bench.Load;
using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Cli.Bench.Measurement;

public sealed class RunAggregateTests
{
    [Fact]
    public void Metrics_OfEvenStreams_MatchArithmetic()
    {
        var run = RunOf(Enumerable.Range(0, 50).Select(number => Given.Stream(number, sent: number * 10)));

        run.Metrics[MetricNames.Ttft].P50.ShouldBe(200, 0.2);
        run.Metrics[MetricNames.Tpot].P99.ShouldBe(20, 0.02);
        run.Metrics[MetricNames.Ntpot].Mean.ShouldBe((200 + (19 * 20)) / 20.0, 1e-9);
        run.Metrics[MetricNames.Itl].Count.ShouldBe(50 * 19);
        run.Metrics[MetricNames.E2e].Mean.ShouldBe(580, 1e-9);
        run.Metrics.Keys.ShouldNotContain(MetricNames.ScheduleDelay);
        run.MeasuredSeconds.ShouldBe(0.490 + 0.580, 1e-9);
        run.Throughput.OutputTokens.ShouldBe(1000);
        run.Throughput.InputTokens.ShouldBe(350);
        run.Throughput.OutputTokensPerSecond.ShouldBe(1000 / 1.07, 1e-6);
        run.Throughput.RequestsPerSecond.ShouldBe(50 / 1.07, 1e-6);
        run.FinishReasons.ShouldHaveSingleItem().ShouldBe(KeyValuePair.Create("stop", 50L));
    }

    [Fact]
    public void Goodput_OfStreams_CountsThoseThatMeetEveryObjective()
    {
        // 6 good ones, 2 with a slow first token, 1 with slow tokens, 1 failed: 60 %.
        var streams = Enumerable.Range(0, 6).Select(_ => Given.Stream())
            .Concat(Enumerable.Range(0, 2).Select(_ => Given.Stream(ttft: 900)))
            .Append(Given.Stream(itl: 60))
            .Append(Given.Failure());

        var run = RunOf(streams, [Slo.Parse("ttft=200ms"), Slo.Parse("tpot=50ms")], required: 0.7);

        run.Slos.Select(slo => slo.Share).ShouldBe([0.7, 0.8]);
        run.Goodput!.Share.ShouldBe(0.6);
        run.Goodput.RequestsPerSecond.ShouldBe(6 / run.MeasuredSeconds, 1e-9);
        run.Goodput.Required.ShouldBe(0.7);
        RunVerdict.Of(run).Kind.ShouldBe(VerdictKind.Missed);
    }

    [Fact]
    public void Slo_WithoutSuchATime_IsMet()
    {
        var run = RunOf([Given.Stream(tokens: 1)], [Slo.Parse("tpot=1ms")]);

        run.Goodput!.Share.ShouldBe(1);
    }

    [Fact]
    public void Errors_ByReason_AreNotInTheTimes()
    {
        var run = RunOf(
        [
            Given.Stream(), Given.Failure(), Given.Failure(),
            Given.Failure("UPSTREAM_STALLED", StatusCode.Aborted, tokens: 3, ended: 60_000),
            Given.Failure("", StatusCode.Internal),
        ]);

        run.Errors.Select(error => (error.Reason, error.Status, error.Count, error.AfterFirstToken)).ShouldBe(
        [
            ("OVERLOADED", "UNAVAILABLE", 2, 0), ("INTERNAL", "INTERNAL", 1, 0), ("UPSTREAM_STALLED", "ABORTED", 1, 1),
        ]);
        run.Errors[0].Example.ShouldBe("OVERLOADED happened.");
        run.Metrics.Values.ShouldAllBe(metric => metric.Max < 1000);
        run.Metrics[MetricNames.E2e].Count.ShouldBe(1);
        run.Metrics[MetricNames.Itl].Count.ShouldBe(19);

        // What arrived has arrived, whatever became of the stream.
        run.Throughput.OutputTokens.ShouldBe(23);
        (run.Streams.Succeeded, run.Streams.Failed).ShouldBe((1, 4));
    }

    [Fact]
    public void Warmup_AndUnfinished_AreInNoFigure()
    {
        var unfinished = Given.Started(9, 2000, 2000);
        unfinished.Observe(Given.Chunk(), Given.At(2100), isMeasured: true);
        unfinished.LeftUnfinished(Given.At(2500));

        var run = RunOf(
            [Given.Stream(ttft: 9000, isWarmup: true), Given.Failure(isWarmup: true), Given.Stream(1, 1000, 1000), unfinished], from: 1000);

        run.Streams.ShouldBe(new StreamCounts { Started = 4, Warmup = 2, Succeeded = 1, Unfinished = 1 });
        run.Metrics[MetricNames.Ttft].Max.ShouldBe(200);
        run.Errors.ShouldBeEmpty();
        run.StreamSamples.ShouldHaveSingleItem().Number.ShouldBe(1);
        run.MeasuredSeconds.ShouldBe(1.5);
        run.Throughput.OutputTokens.ShouldBe(21);
        run.Timeline[0].Warmup.ShouldBeTrue();
        run.Timeline[0].Started.ShouldBe(2);
        run.Timeline[^1].Warmup.ShouldBeFalse();
    }

    [Fact]
    public void OpenLoop_SentLate_CountsFromThePlanAndTellsTheDelay()
    {
        var run = RunOf([Given.Stream(planned: 1000, sent: 1500)], isOpen: true);

        run.Metrics[MetricNames.ScheduleDelay].Max.ShouldBe(500);
        run.Metrics[MetricNames.Ttft].Max.ShouldBe(700);
        run.Metrics[MetricNames.E2e].Max.ShouldBe(500 + 580);
        run.Metrics[MetricNames.Tpot].Max.ShouldBe(20);
    }

    [Fact]
    public void ServerTimes_StandBesideTheClients()
    {
        var timing = new Timing { TtftUs = 190_000, TpotUs = 19_500, QueueUs = 40_000, OverheadUs = 300, TotalUs = 570_000, TpotTokens = 20 };

        var run = RunOf([Given.Stream(planned: 0, sent: 5, timing: timing)], isOpen: true);

        run.Metrics[MetricNames.ServerTtft].Max.ShouldBe(190);
        run.Metrics[MetricNames.ServerTpot].Max.ShouldBe(19.5);
        run.Metrics[MetricNames.ServerQueue].Max.ShouldBe(40);
        run.Metrics[MetricNames.ServerOverhead].Max.ShouldBe(0.3);
        run.Metrics[MetricNames.ServerTotal].Max.ShouldBe(570);

        // 200 ms from the real send less 190 ms: the late send is this program's, not the network's.
        run.Metrics[MetricNames.NetworkTtft].Max.ShouldBe(10);
        run.StreamSamples.Single().ServerQueue.ShouldBe(40);
    }

    [Fact]
    public void ServerTimes_ThatCannotBe_DoNotSpoilTheFile()
    {
        var broken = new Timing { TtftUs = ulong.MaxValue, TpotUs = double.NaN, QueueUs = ulong.MaxValue / 2, TotalUs = 1 };

        var run = RunOf([Given.Stream(timing: broken), Given.Stream(timing: broken), Given.Stream(timing: new Timing { TpotUs = double.NegativeInfinity })]);

        run.Metrics[MetricNames.ServerTtft].Max.ShouldBe(TimeSpan.FromDays(10).TotalMilliseconds);
        run.Metrics[MetricNames.ServerTpot].Max.ShouldBe(0);
        run.Metrics[MetricNames.NetworkTtft].Max.ShouldBe(0);
        BenchJson.Compact(new BenchFile { Runs = [run] }).Length.ShouldBeGreaterThan(0);
    }

    [Fact]
    public void SlowOnePercent_ShowsInP99AndNotInP50()
    {
        var run = RunOf(Enumerable.Range(0, 1000).Select(number => Given.Stream(number, ttft: number % 80 == 0 ? 2000 : 200, tokens: 2)));

        run.Metrics[MetricNames.Ttft].P50.ShouldBe(200, 0.2);
        run.Metrics[MetricNames.Ttft].P95.ShouldBe(200, 0.2);
        run.Metrics[MetricNames.Ttft].P99.ShouldBe(2000);
    }

    [Fact]
    public void Samples_OfManyStreams_AreBoundedEvenAndInOrder()
    {
        const int count = 20_000;
        var run = RunOf(Enumerable.Range(0, count).Select(number => Given.Stream(number, number, number, tokens: 1)));

        run.StreamSamples.Count.ShouldBe(RunAggregate.MostSamples);
        run.StreamSamples.Select(sample => sample.Number).ShouldBe(run.StreamSamples.Select(sample => sample.Number).Order());

        // Of an even draw of 2,000, the first half of the run holds 1,000, give or take 22 (one standard deviation).
        run.StreamSamples.Count(sample => sample.Number < count / 2).ShouldBeInRange(850, 1150);
        RunOf(Enumerable.Range(0, count).Select(number => Given.Stream(number, number, number, tokens: 1))).StreamSamples
            .ShouldBe(run.StreamSamples);
    }

    [Fact]
    public void Buckets_OfAWideDistribution_AreBoundedAndComplete()
    {
        var run = RunOf(Enumerable.Range(1, 5000).Select(number => Given.Stream(ttft: number * 1.7, tokens: 1)));

        var ttft = run.Metrics[MetricNames.Ttft];
        ttft.Buckets.Count.ShouldBeLessThanOrEqualTo(512);
        ttft.Buckets.Sum(bucket => bucket.Count).ShouldBe(5000);
        ttft.Buckets[^1].Le.ShouldBeGreaterThanOrEqualTo(ttft.Max);
    }

    private static BenchRun RunOf(
        IEnumerable<StreamTrace> streams, IReadOnlyList<Slo>? slos = null, double? required = null, bool isOpen = false, double from = 0)
    {
        var aggregate = new RunAggregate(slos ?? [], isOpen, seed: 1);
        foreach (var stream in streams) aggregate.Add(stream);
        var empty = new BenchRun
        {
            StartedAt = default,
            End = RunEnd.Total,
            Environment = new RunEnvironment(),
            Load = new LoadPlan { Curve = LoadCurve.Constant(1), IsOpen = isOpen }.SettingsFor(new Uri("http://localhost:1"), ""),
            MeasuredSeconds = 0,
            Streams = new StreamCounts(),
            Throughput = new Throughput(),
            Metrics = new Dictionary<string, Distribution>(),
        };
        return aggregate.Complete(empty, Given.At(from), required);
    }
}
