using System.Text.Json;
using GrpcLlm.Cli.Bench.Ghz;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Client.Tests.Cli.Bench.Ghz;

public sealed class GhzJsonWriterTests : IDisposable
{
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly string _directory = Directory.CreateTempSubdirectory("grpcllm-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Run_Written_ReadsBackAsWhatGhzWouldReport()
    {
        var report = await RoundTripAsync(Run());

        (report.Name, report.EndReason, report.Date, report.Count, report.Total).ShouldBe(("nightly", "normal", Start, 5, 2_000_000_000));
        (report.Average, report.Fastest, report.Slowest, report.Rps).ShouldBe((250_000_000, 100_000_000, 400_000_000, 2.5));
        report.StatusCodeDistribution!.ShouldBe(new Dictionary<string, long> { ["OK"] = 4, ["ResourceExhausted"] = 1 }, ignoreOrder: true);
        report.ErrorDistribution!.ShouldHaveSingleItem().ShouldBe(new("rpc error: code = ResourceExhausted desc = over the limit", 1));
        report.LatencyDistribution!.Select(entry => (entry.Percentage, entry.Latency / 1_000_000)).ShouldBe(
            [(10, 100), (25, 100), (50, 200), (75, 300), (90, 400), (95, 400), (99, 400)]);
        report.Histogram!.Count.ShouldBe(11);
        (report.Histogram[0].Mark, report.Histogram[10].Mark).ShouldBe((0.1, 0.4));
        report.Histogram.Sum(bucket => bucket.Count).ShouldBe(4);
        report.Histogram.Sum(bucket => bucket.Frequency).ShouldBe(1, 1e-9);
        (report.Options.Call, report.Options.Host, report.Options.Insecure, report.Options.Concurrency, report.Options.Total)
            .ShouldBe(("grpcllm.v1.GenerationService/Generate", "127.0.0.1:50051", true, 2, 6));
        report.Tags!["env"].ShouldBe("ci");
        report.Details!.Select(detail => (detail.Latency / 1_000_000, detail.Status, detail.Error)).ShouldBe(
        [
            (100, "OK", ""), (50, "ResourceExhausted", "rpc error: code = ResourceExhausted desc = over the limit"),
        ]);
        report.Details![0].Timestamp.ShouldBe(Start.AddMilliseconds(1110));
    }

    [Fact]
    public void Run_IsWrittenUnderGhzsNames()
    {
        using var document = JsonDocument.Parse(GhzJsonWriter.Write(Run()));

        document.RootElement.EnumerateObject().Select(member => member.Name).ShouldBe(
        [
            "name", "endReason", "options", "date", "count", "total", "average", "fastest", "slowest", "rps", "errorDistribution",
            "statusCodeDistribution", "latencyDistribution", "histogram", "details", "tags",
        ]);
        document.RootElement.GetProperty("options").TryGetProperty("load-schedule", out _).ShouldBeTrue();
    }

    [Fact]
    public async Task OpenLoop_CountsFromThePlannedSend_AndIsAsync()
    {
        var run = Run();
        run = run with { Load = run.Load with { Loop = "open", Concurrency = null, RequestsPerSecond = 20, StreamCallCount = 1 }, End = RunEnd.Duration };

        var report = await RoundTripAsync(run);

        (report.Options.Async, report.Options.Rps, report.Options.Concurrency, report.EndReason).ShouldBe((true, 20, null, "timeout"));
        report.Details![0].Latency.ShouldBe(110_000_000);
        GhzRun.Of("f", report, cutAt: null).CutAt.ShouldBe(1);
    }

    [Fact]
    public async Task RunWithoutASuccess_HasNoLatencies()
    {
        var run = Run() with { Metrics = new Dictionary<string, Distribution>(), Streams = new StreamCounts { Failed = 1 }, StreamSamples = [], End = RunEnd.Interrupted };

        var report = await RoundTripAsync(run);

        (report.Average, report.LatencyDistribution, report.Histogram, report.EndReason).ShouldBe((0, null, null, "cancel"));
        report.StatusCodeDistribution!.Keys.ShouldBe(["ResourceExhausted"]);
    }

    private static BenchRun Run() => new()
    {
        Name = "nightly",
        Tags = new Dictionary<string, string> { ["env"] = "ci" },
        StartedAt = Start,
        End = RunEnd.Total,
        Environment = new RunEnvironment(),
        Load = new LoadSettings { Target = "http://127.0.0.1:50051", Loop = "closed", Concurrency = 2, Total = 6, WarmupSeconds = 1 },
        MeasuredSeconds = 2,
        Streams = new StreamCounts { Started = 6, Warmup = 1, Succeeded = 4, Failed = 1 },
        Throughput = new Throughput(),
        Metrics = new Dictionary<string, Distribution>
        {
            [MetricNames.E2e] = new()
            {
                Count = 4,
                Mean = 250,
                StandardDeviation = 110,
                Min = 100,
                Max = 400,
                P50 = 200,
                P90 = 400,
                P95 = 400,
                P99 = 400,
                P999 = 400,
                Buckets = [new Bucket(100, 1), new Bucket(200, 1), new Bucket(300, 1), new Bucket(400, 1)],
            },
        },
        Errors = [new ErrorCount { Reason = "QUOTA_EXCEEDED", Status = "RESOURCE_EXHAUSTED", Count = 1, Example = "over the limit" }],
        StreamSamples =
        [
            new StreamSample { Number = 0, Planned = 0, Sent = 0, Ended = 900, Outcome = "length", Succeeded = true },
            new StreamSample { Number = 1, Planned = 1000, Sent = 1010, Ended = 1110, Outcome = "length", Succeeded = true },
            new StreamSample { Number = 2, Planned = 1200, Sent = 1200, Ended = 1250, Outcome = "QUOTA_EXCEEDED" },
        ],
    };

    private async Task<GhzReport> RoundTripAsync(BenchRun run)
    {
        var file = Path.Combine(_directory, "run.ghz.json");
        await File.WriteAllTextAsync(file, GhzJsonWriter.Write(run), TestContext.Current.CancellationToken);
        (await GhzReportReader.KindOfAsync(file, TestContext.Current.CancellationToken)).ShouldBe(ReportFileKind.Ghz);
        return await GhzReportReader.ReadAsync(file, TestContext.Current.CancellationToken);
    }
}
