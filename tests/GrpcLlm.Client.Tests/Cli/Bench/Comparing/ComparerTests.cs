using GrpcLlm.Cli.Bench.Comparing;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Client.Tests.Cli.Bench.Comparing;

public sealed class ComparerTests
{
    [Fact]
    public void Values_AreMediansOverRuns_WithDifferenceAndRatio()
    {
        var compared = Ttft(Compare([100, 104, 96, 300, 98], [80, 81, 79, 80, 500]));

        compared.Baseline.ShouldBe(100);
        compared.Candidate.ShouldBe(80);
        compared.Difference.ShouldBe(-20);
        compared.Ratio!.Value.ShouldBe(0.8, 1e-12);
    }

    [Fact]
    public void KnownBetterPair_IsBetter_AndTheOtherWayRoundWorse()
    {
        double[] slow = [100, 102, 98, 101, 99, 100];
        double[] fast = [90, 91, 89, 92, 90, 88];

        Ttft(Compare(slow, fast)).Verdict.ShouldBe(ComparisonVerdict.Better);
        Ttft(Compare(fast, slow)).Verdict.ShouldBe(ComparisonVerdict.Worse);
        Compare(fast, slow).IsWorse.ShouldBeTrue();
        Metric(Compare(slow, fast), "outputTokensPerSecond").Verdict.ShouldBe(ComparisonVerdict.Worse, "less throughput is worse");
    }

    [Fact]
    public void EqualRuns_DoNotDiffer_AndTheirIntervalIsAPoint()
    {
        var compared = Ttft(Compare([100, 100, 100, 100, 100], [100, 100, 100, 100, 100]));

        compared.Interval.ShouldBe(new Interval(1, 1));
        compared.Verdict.ShouldBe(ComparisonVerdict.NoDifference);
    }

    [Fact]
    public void ADifferenceWithinTheErrorOfPercentiles_IsNone() =>
        Ttft(Compare([100, 100, 100, 100, 100], [100.05, 100.05, 100.05, 100.05, 100.05])).Verdict.ShouldBe(ComparisonVerdict.NoDifference);

    [Fact]
    public void Noise_IsTakenForADifference_AboutAsRarelyAsItShould()
    {
        const int Pairs = 400;
        var random = new Random(7);
        double[] Runs(int count) => [.. Enumerable.Range(0, count).Select(_ => 100 * Math.Exp(0.05 * Normal(random)))];

        var wrong = Enumerable.Range(0, Pairs).Count(_ => Bootstrap.Of(Runs(7), Runs(7), (before, after) => after / before) is { } interval && (interval.Low > 1 || interval.High < 1));

        // Nominal: 5 %, so 20. The bootstrap of a median over few runs errs on the careful side.
        wrong.ShouldBeInRange(2, 32);
    }

    [Theory]
    [InlineData(4, 5)]
    [InlineData(5, 4)]
    [InlineData(1, 1)]
    public void FewerThanFiveRuns_HaveNoVerdict_ButADifference(int before, int after)
    {
        var comparison = Compare([.. Enumerable.Repeat(100.0, before)], [.. Enumerable.Repeat(50.0, after)]);

        comparison.Obstacles.ShouldContain(obstacle => obstacle.Contains("a verdict takes at least 5"));
        Ttft(comparison).Verdict.ShouldBe(ComparisonVerdict.None);
        Ttft(comparison).Difference.ShouldBe(-50);
    }

    [Fact]
    public void TwoInARow_AreInterleaved() =>
        Comparer.Compare("a", File(Runs([0, 3, 4, 7, 8], 100)), "b", File(Runs([1, 2, 5, 6, 9], 90))).Obstacles.ShouldBeEmpty();

    [Fact]
    public void ThreeInARow_AreNotInterleaved()
    {
        var comparison = Comparer.Compare("a", File(Runs([0, 1, 2, 6, 8], 100)), "b", File(Runs([3, 4, 5, 7, 9], 90)));

        comparison.Obstacles.ShouldHaveSingleItem().ShouldContain("not interleaved: 3 in a row");
        comparison.Metrics.ShouldAllBe(metric => metric.Verdict == ComparisonVerdict.None);
    }

    [Fact]
    public void OtherLoad_IsNamed_AndHasNoVerdict()
    {
        var other = Runs([1, 3, 5, 7, 9], 90).Select(run => run with { Load = run.Load with { Connections = 8 } });

        var comparison = Comparer.Compare("a", File(Runs([0, 2, 4, 6, 8], 100)), "b", File(other));

        comparison.Obstacles.ShouldHaveSingleItem().ShouldBe("The load of b is not that of the first run of a: Connections (1 / 8).");
        Ttft(comparison).Verdict.ShouldBe(ComparisonVerdict.None);
    }

    [Fact]
    public void OtherTargetModelAndSeed_AreWhatIsCompared()
    {
        var other = Runs([1, 3, 5, 7, 9], 90).Select(run => run with { Load = run.Load with { Target = "http://b:1", Model = "b", Seed = 4 } });

        Comparer.Compare("a", File(Runs([0, 2, 4, 6, 8], 100)), "b", File(other)).Obstacles.ShouldBeEmpty();
    }

    [Fact]
    public void InterruptedRuns_DoNotCount()
    {
        var runs = Runs([0, 2, 4, 6, 8], 100).ToList();
        runs[2] = runs[2] with { End = RunEnd.Interrupted };

        var comparison = Comparer.Compare("a", File(runs), "b", File(Runs([1, 3, 5, 7, 9], 90)));

        comparison.Baseline.Runs.ShouldBe(4);
        comparison.Notes.ShouldContain("1 run of a did not come to the planned end and does not count.");
        Ttft(comparison).Verdict.ShouldBe(ComparisonVerdict.None);
    }

    [Fact]
    public void OtherObjectives_TakeTheVerdictFromGoodputAlone()
    {
        IEnumerable<BenchRun> With(IEnumerable<BenchRun> runs, double limit) => runs.Select(run => run with
        {
            Slos = [new SloResult { Metric = MetricNames.Ttft, Limit = limit, Share = 1 }],
            Goodput = new Goodput { RequestsPerSecond = 1, Share = 1 },
        });

        var comparison = Comparer.Compare("a", File(With(Runs([0, 2, 4, 6, 8], 100), 200)), "b", File(With(Runs([1, 3, 5, 7, 9], 90), 300)));

        Metric(comparison, "goodputShare").Verdict.ShouldBe(ComparisonVerdict.None);
        Metric(comparison, "goodputShare").Why.ShouldBe("the objectives differ");
        Ttft(comparison).Verdict.ShouldBe(ComparisonVerdict.Better);
    }

    [Fact]
    public void Shares_AreComparedByDifference_AsTheyMayBeZero()
    {
        var failing = Runs([1, 3, 5, 7, 9], 100).Select(run => run with { Streams = new StreamCounts { Succeeded = 90, Failed = 10 } });

        var errors = Metric(Comparer.Compare("a", File(Runs([0, 2, 4, 6, 8], 100)), "b", File(failing)), "errorShare");

        errors.Ratio.ShouldBeNull();
        errors.Interval.ShouldBe(new Interval(0.1, 0.1));
        errors.Verdict.ShouldBe(ComparisonVerdict.Worse);
    }

    [Fact]
    public void Interval_OfTheSameRuns_IsTheSame()
    {
        double[] before = [100, 103, 98, 101, 99];
        double[] after = [97, 99, 102, 95, 96];

        Ttft(Compare(before, after)).Interval.ShouldBe(Ttft(Compare(before, after)).Interval);
    }

    [Fact]
    public void PooledRuns_AddUp()
    {
        var runs = new[] { WithTtft(1, [10, 20]), WithTtft(2, [20, 30, 40]) };

        var pooled = PooledDistribution.Of(runs, MetricNames.Ttft)!;

        pooled.Count.ShouldBe(5);
        pooled.Mean.ShouldBe(24, 1e-9);
        pooled.StandardDeviation.ShouldBe(Math.Sqrt(104), 1e-9);
        (pooled.Min, pooled.Max).ShouldBe((10, 40));
        pooled.P50.ShouldBe(20, 0.3);
        PooledDistribution.Of(runs, MetricNames.Itl).ShouldBeNull();
    }

    /// <summary>Runs in turn, with those medians.</summary>
    internal static Comparison Compare(double[] before, double[] after) => Comparer.Compare(
        "a", File(before.Select((ttft, i) => Run(2 * i, ttft))), "b", File(after.Select((ttft, i) => Run((2 * i) + 1, ttft))));

    internal static BenchFile File(IEnumerable<BenchRun> runs) => new() { Runs = [.. runs] };

    internal static IEnumerable<BenchRun> Runs(int[] starts, double ttft) => starts.Select((start, i) => Run(start, ttft + (i * 0.1)));

    private static BenchRun WithTtft(int start, double[] values) =>
        Run(start, 1) with { Metrics = new Dictionary<string, Distribution> { [MetricNames.Ttft] = SyntheticBench.Distribution(values) } };

    private static BenchRun Run(int start, double ttft) => new()
    {
        StartedAt = SyntheticBench.Start.AddMinutes(start),
        End = RunEnd.Duration,
        Environment = new RunEnvironment(),
        Load = new LoadSettings { Target = "http://127.0.0.1:50051", Loop = "closed", Concurrency = 4, DurationSeconds = 10 },
        MeasuredSeconds = 10,
        Streams = new StreamCounts { Started = 100, Succeeded = 100 },
        Throughput = new Throughput { OutputTokensPerSecond = ttft * 10, RequestsPerSecond = 10 },
        Metrics = new Dictionary<string, Distribution> { [MetricNames.Ttft] = SyntheticBench.Distribution([ttft]) },
        Timeline = [new TimelinePoint { AtSeconds = 0, OutputTokens = 10 }],
    };

    private static MetricComparison Ttft(Comparison comparison) => Metric(comparison, "ttftP50");

    private static MetricComparison Metric(Comparison comparison, string name) => comparison.Metrics.Single(metric => metric.Name == name);

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
