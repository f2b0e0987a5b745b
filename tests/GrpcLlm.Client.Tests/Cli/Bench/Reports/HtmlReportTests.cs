using System.Text;
using System.Text.Json;
using GrpcLlm.Cli.Bench.Reports;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Client.Tests.Cli.Bench.Reports;

public sealed class HtmlReportTests
{
    private const string Hostile = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\" onload=\"alert(1) ]]> \0";

    [Theory]
    [InlineData(2)]
    [InlineData(12)]
    [InlineData(600)]
    public void Report_OfAnyLength_StandsAlone(int streams) => Written(SyntheticBench.File(streams)).ShouldStandAlone();

    [Fact]
    public void Report_Of100000Streams_StaysSmallAndSaysWhatItSampled()
    {
        var page = Written(SyntheticBench.File(100_000));

        page.ShouldStandAlone();
        page.Text.Length.ShouldBeLessThan(2_500_000);
        page.Words.ShouldContain("60 of 95,000 measured streams, drawn evenly");
        page.Find("streams")!.Descendants("g").Count().ShouldBe(60);
    }

    [Fact]
    public void Report_OfTheSameFile_IsTheSame() => Written(SyntheticBench.File(80)).Text.ShouldBe(Written(SyntheticBench.File(80)).Text);

    [Fact]
    public void FirstScreen_HasTheVerdictAndTheFigures()
    {
        var run = SyntheticBench.Run(600);

        var summary = Written(File(run)).Document.Descendants("main").Single().Elements().TakeWhile(element => element.Name != "nav")
            .Select(element => string.Join(' ', element.DescendantNodes().OfType<System.Xml.Linq.XText>().Select(text => text.Value))).ToList();

        var words = string.Join(' ', summary);
        words.ShouldContain("Met");
        words.ShouldContain("TTFT");
        words.ShouldContain("207 ms p50 474 ms p99");
        words.ShouldContain("20.0 ms p50 23.0 ms p99");
        words.ShouldContain("tokens/s");
        words.ShouldContain("TTFT within 400 ms");
        words.ShouldContain("13 of 570 2.3 % of streams");
    }

    [Fact]
    public void HostileText_Anywhere_IsTextOnly()
    {
        var run = SyntheticBench.Run(40);
        var page = Written(File(run with
        {
            Name = Hostile,
            EndDetail = Hostile,
            End = RunEnd.TargetLost,
            Tags = new Dictionary<string, string> { [Hostile] = Hostile },
            Load = run.Load with { Model = Hostile, Target = Hostile, Schedule = Hostile, Arrivals = Hostile },
            Environment = run.Environment with { System = Hostile, Runtime = Hostile, ToolVersion = Hostile },
            FinishReasons = new Dictionary<string, long> { [Hostile] = 3 },
            Errors = [new ErrorCount { Reason = Hostile, Status = Hostile, Count = 1, Example = Hostile }],
            Timeline = [.. run.Timeline.Select(point => point with { Failed = new Dictionary<string, long> { [Hostile] = 1 } })],
            StreamSamples = [.. run.StreamSamples.Select(stream => stream with { Outcome = Hostile })],
            Caveats = [Hostile],
        }));

        page.ShouldStandAlone();
        page.Document.Descendants("h1").Single().Value.ShouldBe(Hostile.Replace('\0', '\uFFFD'));
    }

    [Fact]
    public void Interrupted_HasABanner()
    {
        var page = Written(File(SyntheticBench.Run(40) with
        {
            End = RunEnd.Interrupted,
            EndDetail = "After 31 s.",
            Streams = new StreamCounts { Started = 40, Succeeded = 30, Unfinished = 3 },
        }));

        page.Words.ShouldContain("This run was interrupted.");
        page.Words.ShouldContain("After 31 s.");
        page.Words.ShouldContain("3 streams still ran and are in none of them.");
        Written(SyntheticBench.File(40)).Words.ShouldNotContain("interrupted");
    }

    [Fact]
    public void NoStreamSucceeded_SaysSoInsteadOfPlots()
    {
        var page = Written(File(SyntheticBench.Run(40) with
        {
            Metrics = new Dictionary<string, Distribution>(),
            Streams = new StreamCounts { Started = 40, Failed = 40 },
            StreamSamples = [],
            Timeline = [],
            Goodput = new Goodput { RequestsPerSecond = 0, Share = 0, Required = 0.9 },
        }));

        page.ShouldStandAlone();
        page.Words.ShouldContain("No measured stream succeeded");
        page.Words.ShouldContain("Nothing happened in this run.");
        page.Words.ShouldContain("Missed");
        page.Find("ttft-curve").ShouldBeNull();
    }

    [Fact]
    public void SingleTokenStreams_HaveTtftButNoTpot()
    {
        var run = SyntheticBench.Run(40);
        var page = Written(File(run with { Metrics = run.Metrics.Where(metric => metric.Key != MetricNames.Tpot).ToDictionary() }));

        page.ShouldStandAlone();
        page.Find("ttft-curve").ShouldNotBeNull();
        page.Words.ShouldContain("No stream had two output tokens");
    }

    [Fact]
    public void NoObjective_IsNotAVerdict()
    {
        var page = Written(File(SyntheticBench.Run(40) with { Slos = [], Goodput = null, ErrorBudget = null }));

        page.ShouldStandAlone();
        page.Words.ShouldContain("No objective stated");
        page.Words.ShouldContain("no SLO");
    }

    [Fact]
    public void NoErrors_SaysNone()
    {
        var run = SyntheticBench.Run(40);
        var page = Written(File(run with
        {
            Errors = [],
            Timeline = [.. run.Timeline.Select(point => point with { Failed = new Dictionary<string, long>() })],
            Streams = run.Streams with { Failed = 0 },
        }));

        page.ShouldStandAlone();
        page.Words.ShouldContain("None: no stream of 40 failed.");
    }

    [Fact]
    public void MoreReasonsThanPatterns_AreSummedUp()
    {
        var run = SyntheticBench.Run(40);
        var failed = Enumerable.Range(0, 9).ToDictionary(i => $"REASON_{i}", i => (long)(10 - i));
        var page = Written(File(run with { Timeline = [.. run.Timeline.Select(point => point with { Failed = failed })] }));

        page.ShouldStandAlone();
        page.Find("errors-time")!.Value.ShouldContain("4 other reasons");
    }

    [Fact]
    public void Warmup_IsShadedInPlotsOverTime() =>
        Written(SyntheticBench.File(600)).Find("tokens")!.Descendants("rect").ShouldContain(rect => rect.Attribute("class")!.Value == "shade");

    [Theory]
    [InlineData(2, 1)]
    [InlineData(30, 2)]
    public void TtftOverTime_IsBrokenByALongGapOnly(int emptySteps, int parts)
    {
        var run = SyntheticBench.Run(12);
        var ttft = new Percentiles { P50 = 200, P90 = 210, P99 = 220 };
        var page = Written(File(run with
        {
            Timeline = [.. Enumerable.Range(0, 200).Select(i => new TimelinePoint { AtSeconds = i, Ttft = i >= 50 && i < 50 + emptySteps ? null : ttft })],
            TimelineStepSeconds = 1,
        }));

        var line = page.Find("ttft-time")!.Descendants("path").Single(path => path.Attribute("class")!.Value == "line s1");

        line.Attribute("d")!.Value.Count(letter => letter == 'M').ShouldBe(parts);
    }

    [Fact]
    public void SeveralRuns_AreListed_TheNewestInDetail()
    {
        var page = Written(new BenchFile { Runs = [SyntheticBench.Run(40, seed: 1) with { Name = "old" }, SyntheticBench.Run(60, seed: 2) with { Name = "new" }] });

        page.ShouldStandAlone();
        page.Document.Descendants("h1").Single().Value.ShouldBe("new");
        page.Find("runs").ShouldNotBeNull();
        Written(SyntheticBench.File(40)).Find("runs").ShouldBeNull();
    }

    [Fact]
    public void EveryMetric_IsDefined() => MetricNames.All.ShouldAllBe(metric => Written(SyntheticBench.File(12)).Words.Contains(metric.Definition));

    [Fact]
    public void RawData_IsTheFile()
    {
        var file = SyntheticBench.File(40);
        var link = Written(file).Document.Descendants("a").Single(a => a.Attribute("download") is not null).Attribute("href")!.Value;

        var json = Convert.FromBase64String(link[(link.IndexOf(',') + 1)..]);
        var read = JsonSerializer.Deserialize(json, BenchJson.Default.BenchFile)!;

        JsonSerializer.Serialize(read, BenchJson.Default.BenchFile).ShouldBe(JsonSerializer.Serialize(file, BenchJson.Default.BenchFile));
        Encoding.UTF8.GetString(json).ShouldContain("\"end\":\"duration\"");
    }

    private static BenchFile File(BenchRun run) => new() { Runs = [run] };

    private static PageText Written(BenchFile file)
    {
        using var output = new StringWriter();
        HtmlReport.Write(file, output);
        return new PageText(output.ToString());
    }
}
