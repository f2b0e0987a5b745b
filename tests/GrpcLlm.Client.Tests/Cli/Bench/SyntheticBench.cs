using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Client.Tests.Cli.Bench;

/// <summary>Result files of runs that never were: seeded, of any length, with the figures that fit their streams.</summary>
internal static class SyntheticBench
{
    /// <summary>Most streams in detail, as in real files.</summary>
    private const int MostSamples = 2_000;

    public static readonly DateTimeOffset Start = new(2025, 5, 4, 12, 0, 0, TimeSpan.Zero);

    /// <summary>A file with one run.</summary>
    public static BenchFile File(int streams, int seed = 1) => new() { Runs = [Run(streams, seed)] };

    /// <summary>An open loop of so many streams, a few of which fail.</summary>
    /// <param name="streams">How many.</param>
    /// <param name="seed">Of everything that is drawn.</param>
    /// <param name="slower">Factor on all times.</param>
    public static BenchRun Run(int streams, int seed = 1, double slower = 1)
    {
        var random = new Random(seed);
        var rate = Math.Max(2, streams / 120.0);
        var length = streams / rate;
        var warmup = length / 20;
        var all = Enumerable.Range(0, streams).Select(number => Stream(random, number, number / rate * 1000, slower)).ToList();
        var measured = all.Where(stream => stream.Planned >= warmup * 1000).ToList();
        var well = measured.Where(stream => stream.Succeeded).ToList();
        var met = well.Count(stream => Ttft(stream) <= 400 && Tpot(stream) is null or <= 30);
        var seconds = (measured.Max(stream => stream.Ended) / 1000) - warmup;
        return new BenchRun
        {
            Name = "evening peak",
            StartedAt = Start.AddMinutes(seed),
            End = RunEnd.Duration,
            Environment = new RunEnvironment { ToolVersion = "0.1.0", System = "Linux x64", Runtime = ".NET 10.0.0", Processors = 2, SharesMachineWithTarget = true },
            Load = new LoadSettings
            {
                Target = "http://127.0.0.1:50051", Model = "simulator", Loop = "open", RequestsPerSecond = rate, Arrivals = "poisson",
                Seed = seed, Connections = 4, DurationSeconds = length, WarmupSeconds = warmup,
            },
            MeasuredSeconds = seconds,
            Streams = new StreamCounts
            {
                Started = streams, Warmup = streams - measured.Count, Succeeded = well.Count, Failed = measured.Count - well.Count,
            },
            Throughput = new Throughput
            {
                InputTokens = well.Count * 12, OutputTokens = measured.Sum(stream => stream.OutputTokens), Chunks = measured.Sum(stream => stream.Chunks),
                OutputTokensPerSecond = measured.Sum(stream => stream.OutputTokens) / seconds, ChunksPerSecond = measured.Sum(stream => stream.Chunks) / seconds,
                RequestsPerSecond = well.Count / seconds,
            },
            Metrics = Metrics(well),
            Slos = [new SloResult { Metric = MetricNames.Ttft, Limit = 400, Share = Share(well.Count(stream => Ttft(stream) <= 400), measured.Count) }, new SloResult { Metric = MetricNames.Tpot, Limit = 30, Share = Share(well.Count(stream => Tpot(stream) is null or <= 30), measured.Count) }],
            Goodput = new Goodput { RequestsPerSecond = met / seconds, Share = Share(met, measured.Count), Required = 0.9 },
            ErrorBudget = 0.05,
            FinishReasons = new Dictionary<string, long> { ["stop"] = well.Count },
            Errors = [.. measured.Where(stream => !stream.Succeeded).GroupBy(stream => stream.Outcome).OrderByDescending(group => group.Count()).Select(group => new ErrorCount
            {
                Reason = group.Key, Status = "UNAVAILABLE", Count = group.Count(), AfterFirstToken = group.Count(stream => stream.FirstToken is not null), Example = $"the backend said {group.Key}",
            })],
            Timeline = Timeline(all, warmup, length > 20 ? 1 : 0.1),
            TimelineStepSeconds = length > 20 ? 1 : 0.1,
            StreamSamples = measured.Count <= MostSamples ? measured : [.. Enumerable.Range(0, MostSamples).Select(i => measured[(int)((long)i * measured.Count / MostSamples)])],
            TimingCheck = new TimingCheck
            {
                ScheduledTtft = 200, ScheduledItl = 20,
                TtftError = new Percentiles { P50 = 0.31, P90 = 0.62, P99 = 1.4 }, TokenError = new Percentiles { P50 = 0.08, P90 = 0.3, P99 = 0.9 },
            },
            Caveats = ["The target is on this machine: both share its processors, and the network is the loopback."],
        };
    }

    /// <summary>A distribution of those values, in buckets as wide as in real files.</summary>
    public static Distribution Distribution(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        double Nearest(double share) => sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)];
        var mean = sorted.Average();
        return new Distribution
        {
            Count = sorted.Length, Mean = mean, StandardDeviation = Math.Sqrt(sorted.Average(value => (value - mean) * (value - mean))),
            Min = sorted[0], Max = sorted[^1], P50 = Nearest(0.5), P90 = Nearest(0.9), P95 = Nearest(0.95), P99 = Nearest(0.99), P999 = Nearest(0.999),
            Buckets = [.. sorted.GroupBy(Edge).Select(group => new Bucket(group.Key, group.Count()))],
        };
    }

    private static double Edge(double value) => value <= 0 ? 0 : Math.Exp(Math.Ceiling(Math.Log(value) * 100) / 100);

    private static Dictionary<string, Distribution> Metrics(List<StreamSample> well) => new[]
    {
        (MetricNames.Ttft, well.Select(Ttft)),
        (MetricNames.Tpot, well.Select(Tpot).OfType<double>()),
        (MetricNames.E2e, well.Select(stream => stream.Ended - stream.Planned)),
        (MetricNames.ScheduleDelay, well.Select(stream => stream.Sent - stream.Planned)),
        (MetricNames.ServerTtft, well.Select(stream => Ttft(stream) - 1.2)),
        (MetricNames.NetworkTtft, well.Select(stream => 0.8 + (stream.Number % 7 / 10.0))),
        (MetricNames.ServerQueue, well.Select(stream => stream.ServerQueue ?? 0)),
        (MetricNames.ServerOverhead, well.Select(stream => 0.05 + (stream.Number % 11 / 100.0))),
    }.Where(metric => metric.Item2.Any()).ToDictionary(metric => metric.Item1, metric => Distribution(metric.Item2));

    private static StreamSample Stream(Random random, int number, double planned, double slower)
    {
        // A slow spell in the second third, and a long tail.
        var busy = number % 1000 is > 400 and < 520 ? 1.6 : 1;
        var sent = planned + (random.NextDouble() * 0.4);
        var queue = random.Next(4) == 0 ? random.NextDouble() * 120 * busy * slower : 0;
        var first = sent + queue + (180 * slower * busy * Math.Exp(Normal(random) * 0.18)) + (random.Next(400) == 0 ? 900 * random.NextDouble() : 0);
        var tokens = random.Next(20, 120);
        var last = first + ((tokens - 1) * 20 * slower * Math.Exp(Normal(random) * 0.06));
        var fate = random.Next(100);
        if (fate == 0)
        {
            return new StreamSample { Number = number, Planned = planned, Sent = sent, Ended = sent + 40, Outcome = "RESOURCE_EXHAUSTED", ServerQueue = 38 };
        }

        if (fate == 1)
        {
            return new StreamSample
            {
                Number = number, Planned = planned, Sent = sent, FirstToken = first, LastToken = first + ((last - first) / 2), Ended = first + ((last - first) / 2) + 5,
                OutputTokens = tokens / 2, Chunks = tokens / 2, Outcome = number % 3 == 0 ? "BACKEND_RESET" : "BACKEND_TIMEOUT", ServerQueue = queue,
            };
        }

        return new StreamSample
        {
            Number = number, Planned = planned, Sent = sent, FirstToken = first, LastToken = last, Ended = last + 2, OutputTokens = tokens, Chunks = tokens,
            Outcome = "stop", Succeeded = true, ServerQueue = queue,
        };
    }

    private static List<TimelinePoint> Timeline(List<StreamSample> all, double warmup, double step)
    {
        var points = new List<TimelinePoint>();
        var steps = (int)Math.Ceiling(all.Max(stream => stream.Ended) / 1000 / step);
        var byEnd = all.ToLookup(stream => (int)(stream.Ended / 1000 / step));
        var byFirst = all.Where(stream => stream.FirstToken is not null).ToLookup(stream => (int)(stream.FirstToken!.Value / 1000 / step));
        var byStart = all.ToLookup(stream => (int)(stream.Sent / 1000 / step));
        var open = 0;
        for (var i = 0; i < steps; i++)
        {
            open += byStart[i].Count();
            var ttft = byFirst[i].Any() ? Distribution(byFirst[i].Select(Ttft)) : null;
            points.Add(new TimelinePoint
            {
                AtSeconds = i * step, Warmup = (i + 1) * step <= warmup, Started = byStart[i].Count(), Succeeded = byEnd[i].Count(stream => stream.Succeeded),
                Failed = byEnd[i].Where(stream => !stream.Succeeded).GroupBy(stream => stream.Outcome).ToDictionary(group => group.Key, group => (long)group.Count()),
                Open = open, OutputTokens = byEnd[i].Sum(stream => stream.OutputTokens), Chunks = byEnd[i].Sum(stream => stream.Chunks),
                Ttft = ttft is null ? null : new Percentiles { P50 = ttft.P50, P90 = ttft.P90, P99 = ttft.P99 },
            });
            open -= byEnd[i].Count();
        }

        return points;
    }

    private static double Ttft(StreamSample stream) => (stream.FirstToken - stream.Planned) ?? 0;

    private static double? Tpot(StreamSample stream) =>
        stream.OutputTokens > 1 ? (stream.LastToken - stream.FirstToken) / (stream.OutputTokens - 1) : null;

    private static double Share(int part, int whole) => whole == 0 ? 0 : (double)part / whole;

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
