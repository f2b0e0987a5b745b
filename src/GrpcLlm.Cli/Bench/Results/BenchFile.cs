namespace GrpcLlm.Cli.Bench.Results;

/// <summary>
/// What <c>grpcllm bench</c> writes as JSON (camel case, nulls left out) and what its reports and comparisons read.
/// Times are milliseconds unless a name says otherwise; members may be added, and what is not known is skipped.
/// </summary>
internal sealed record BenchFile
{
    /// <summary>The schema that this program writes.</summary>
    public const string CurrentSchema = "grpcllm.bench/1";

    /// <summary>Name and version of the schema.</summary>
    public string Schema { get; init; } = CurrentSchema;

    /// <summary>Runs of one and the same load against one target, oldest first; <c>--append</c> adds one.</summary>
    public required IReadOnlyList<BenchRun> Runs { get; init; }
}

/// <summary>One run.</summary>
internal sealed record BenchRun
{
    /// <summary>Name of the profile, or what <c>--name</c> says.</summary>
    public string Name { get; init; } = "";

    /// <summary>Free labels of the profile (<c>tags</c> in ghz).</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Start of the first call, warm-up included.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Why the run ended.</summary>
    public required RunEnd End { get; init; }

    /// <summary>More about an end that was not planned, in a sentence; empty otherwise.</summary>
    public string EndDetail { get; init; } = "";

    /// <summary>What measured.</summary>
    public required RunEnvironment Environment { get; init; }

    /// <summary>What was asked to be measured.</summary>
    public required LoadSettings Load { get; init; }

    /// <summary>Length of the measured part in seconds: from the end of the warm-up to the end of the last measured stream.</summary>
    public required double MeasuredSeconds { get; init; }

    /// <summary>How many streams became what.</summary>
    public required StreamCounts Streams { get; init; }

    /// <summary>Rates over the measured part.</summary>
    public required Throughput Throughput { get; init; }

    /// <summary>
    /// Distributions over successful measured streams by name, see <see cref="MetricNames"/>; a metric without a sample
    /// is left out.
    /// </summary>
    public required IReadOnlyDictionary<string, Distribution> Metrics { get; init; }

    /// <summary>Service level objectives of single streams, with the share that met each. Empty: none were stated.</summary>
    public IReadOnlyList<SloResult> Slos { get; init; } = [];

    /// <summary>Streams that met every objective. Null: none were stated.</summary>
    public Goodput? Goodput { get; init; }

    /// <summary>Most failed streams that the run may have, as a share; null: not bounded.</summary>
    public double? ErrorBudget { get; init; }

    /// <summary>Successful measured streams by finish reason in lower case.</summary>
    public IReadOnlyDictionary<string, long> FinishReasons { get; init; } = new Dictionary<string, long>(StringComparer.Ordinal);

    /// <summary>Failed measured streams, the most frequent reason first.</summary>
    public IReadOnlyList<ErrorCount> Errors { get; init; } = [];

    /// <summary>The run step by step, warm-up included: a step is 0.1 s in short runs, else a second, and longer in long ones.</summary>
    public IReadOnlyList<TimelinePoint> Timeline { get; init; } = [];

    /// <summary>Length of a step of <see cref="Timeline"/> in seconds.</summary>
    public double TimelineStepSeconds { get; init; } = 1;

    /// <summary>Measured streams that ended, in detail: all of them, or 2,000 drawn evenly; ordered by planned start.</summary>
    public IReadOnlyList<StreamSample> StreamSamples { get; init; } = [];

    /// <summary>How exact the times are, measured against a known schedule. Null: not measured in this run.</summary>
    public TimingCheck? TimingCheck { get; init; }

    /// <summary>What a reader has to know to judge the numbers, in sentences.</summary>
    public IReadOnlyList<string> Caveats { get; init; } = [];
}

/// <summary>Why a run ended.</summary>
internal enum RunEnd
{
    /// <summary>The number of calls was reached.</summary>
    Total,

    /// <summary>The time was over.</summary>
    Duration,

    /// <summary>The schedule of the load came to its end.</summary>
    Schedule,

    /// <summary>Somebody interrupted it; what there is stands.</summary>
    Interrupted,

    /// <summary>The target stopped answering; what there is stands.</summary>
    TargetLost,

    /// <summary>More streams were open at once than this program may hold (<c>--max-open</c>); what there is stands.</summary>
    OpenLimit,
}

/// <summary>What measured, and where.</summary>
internal sealed record RunEnvironment
{
    /// <summary>Version of this program.</summary>
    public string ToolVersion { get; init; } = "";

    /// <summary>Operating system and processor architecture.</summary>
    public string System { get; init; } = "";

    /// <summary>Version of .NET.</summary>
    public string Runtime { get; init; } = "";

    /// <summary>Logical processors that this program may use.</summary>
    public int Processors { get; init; }

    /// <summary>Whether the target is on this machine and shares its processors; null: not known.</summary>
    public bool? SharesMachineWithTarget { get; init; }
}

/// <summary>The load as it was asked for.</summary>
internal sealed record LoadSettings
{
    /// <summary>Address of the target, without credentials.</summary>
    public required string Target { get; init; }

    /// <summary>Model as the requests name it; empty: the deployment's default, or it varies.</summary>
    public string Model { get; init; } = "";

    /// <summary><c>closed</c> (callers that wait for their answer) or <c>open</c> (arrivals that wait for nobody).</summary>
    public required string Loop { get; init; }

    /// <summary>Callers of a closed loop at its end; null in an open loop.</summary>
    public int? Concurrency { get; init; }

    /// <summary>Arrivals a second of an open loop at its end; null in a closed loop.</summary>
    public double? RequestsPerSecond { get; init; }

    /// <summary><c>constant</c> or <c>poisson</c>; empty in a closed loop.</summary>
    public string Arrivals { get; init; } = "";

    /// <summary>Seed of everything drawn by chance.</summary>
    public long Seed { get; init; }

    /// <summary>HTTP/2 connections that the calls are spread over in turn.</summary>
    public int Connections { get; init; } = 1;

    /// <summary>Number of calls after which it ends; null: not bounded by number.</summary>
    public long? Total { get; init; }

    /// <summary>Seconds after which no call starts; null: not bounded by time.</summary>
    public double? DurationSeconds { get; init; }

    /// <summary>Seconds at the beginning whose calls are left out of every figure but the timeline.</summary>
    public double WarmupSeconds { get; init; }

    /// <summary>Number of calls at the beginning that are left out likewise (<c>skipFirst</c> in ghz).</summary>
    public long SkipFirst { get; init; }

    /// <summary>Longest time of one call in seconds; null: not bounded.</summary>
    public double? TimeoutSeconds { get; init; }

    /// <summary>Steps of concurrency or rate, as text; empty: constant.</summary>
    public string Schedule { get; init; } = "";

    /// <summary>Messages after which a call is cancelled on purpose; null: streams run to their end.</summary>
    public long? StreamCallCount { get; init; }
}

/// <summary>How many streams became what. All but the warm-up's are measured.</summary>
internal sealed record StreamCounts
{
    /// <summary>Started, warm-up included.</summary>
    public long Started { get; init; }

    /// <summary>Left out of the figures since they began during the warm-up.</summary>
    public long Warmup { get; init; }

    /// <summary>Ended with a finish, or were cancelled on purpose after the number of messages that was asked for.</summary>
    public long Succeeded { get; init; }

    /// <summary>Ended in an error.</summary>
    public long Failed { get; init; }

    /// <summary>
    /// Still ran when the run was over and were cancelled then; they are in no figure, but for the tokens and messages that
    /// had arrived.
    /// </summary>
    public long Unfinished { get; init; }
}

/// <summary>
/// Rates over the measured part. Tokens and chunks count when they arrive, whatever becomes of their stream.
/// </summary>
internal sealed record Throughput
{
    /// <summary>Input tokens of successful streams.</summary>
    public long InputTokens { get; init; }

    /// <summary>Output tokens that arrived.</summary>
    public long OutputTokens { get; init; }

    /// <summary>Messages that arrived.</summary>
    public long Chunks { get; init; }

    /// <summary>Output tokens a second.</summary>
    public double OutputTokensPerSecond { get; init; }

    /// <summary>Messages a second.</summary>
    public double ChunksPerSecond { get; init; }

    /// <summary>Successful streams a second.</summary>
    public double RequestsPerSecond { get; init; }
}

/// <summary>A distribution of times.</summary>
internal sealed record Distribution
{
    /// <summary>Number of values.</summary>
    public required long Count { get; init; }

    /// <summary>Exact mean.</summary>
    public required double Mean { get; init; }

    /// <summary>Exact standard deviation, of the values as a whole population.</summary>
    public required double StandardDeviation { get; init; }

    /// <summary>Exact smallest value.</summary>
    public required double Min { get; init; }

    /// <summary>Exact largest value.</summary>
    public required double Max { get; init; }

    /// <summary>
    /// Median. Percentiles are by nearest rank: the smallest value that at least that share of all values do not exceed;
    /// exact or too large by less than 0.1 %.
    /// </summary>
    public required double P50 { get; init; }

    /// <summary>90th.</summary>
    public required double P90 { get; init; }

    /// <summary>95th.</summary>
    public required double P95 { get; init; }

    /// <summary>99th.</summary>
    public required double P99 { get; init; }

    /// <summary>99.9th.</summary>
    public required double P999 { get; init; }

    /// <summary>
    /// Buckets that hold anything, ascending: the largest value that each may hold, and how many it holds. At most 512: as
    /// narrow as they may be for that, at best 0.1 % of their value.
    /// </summary>
    public required IReadOnlyList<Bucket> Buckets { get; init; }
}

/// <summary>A bucket of a <see cref="Distribution"/>.</summary>
/// <param name="Le">Largest value that it may hold.</param>
/// <param name="Count">How many it holds.</param>
internal readonly record struct Bucket(double Le, long Count);

/// <summary>A service level objective of a single stream.</summary>
internal sealed record SloResult
{
    /// <summary>Metric that it bounds: <c>ttft</c>, <c>tpot</c> or <c>e2e</c>.</summary>
    public required string Metric { get; init; }

    /// <summary>Largest value that meets it.</summary>
    public required double Limit { get; init; }

    /// <summary>
    /// Share of measured streams that met it, 0 to 1. A failed stream meets none; one without such a time (TPOT of a single
    /// token) meets it.
    /// </summary>
    public required double Share { get; init; }
}

/// <summary>Streams that met every objective.</summary>
internal sealed record Goodput
{
    /// <summary>A second.</summary>
    public required double RequestsPerSecond { get; init; }

    /// <summary>Share of all measured streams, failed ones included, 0 to 1.</summary>
    public required double Share { get; init; }

    /// <summary>Share that the run had to reach (<c>--goodput</c>); null: it was only measured.</summary>
    public double? Required { get; init; }
}

/// <summary>Failed streams of one reason.</summary>
internal sealed record ErrorCount
{
    /// <summary>The typed reason in upper case, or the gRPC status in upper case where there is none.</summary>
    public required string Reason { get; init; }

    /// <summary>gRPC status in upper case.</summary>
    public required string Status { get; init; }

    /// <summary>How many streams.</summary>
    public required long Count { get; init; }

    /// <summary>How many of them after their first token.</summary>
    public long AfterFirstToken { get; init; }

    /// <summary>Message of the first one.</summary>
    public string Example { get; init; } = "";
}

/// <summary>A step of the timeline.</summary>
internal sealed record TimelinePoint
{
    /// <summary>Begin of the step, in seconds since the start of the run.</summary>
    public required double AtSeconds { get; init; }

    /// <summary>Whether it belongs to the warm-up.</summary>
    public bool Warmup { get; init; }

    /// <summary>Streams that started.</summary>
    public long Started { get; init; }

    /// <summary>Streams that ended well.</summary>
    public long Succeeded { get; init; }

    /// <summary>Streams that failed, by reason.</summary>
    public IReadOnlyDictionary<string, long> Failed { get; init; } = new Dictionary<string, long>(StringComparer.Ordinal);

    /// <summary>Most streams open at once.</summary>
    public int Open { get; init; }

    /// <summary>Output tokens that arrived.</summary>
    public long OutputTokens { get; init; }

    /// <summary>Messages that arrived.</summary>
    public long Chunks { get; init; }

    /// <summary>Time to first token of streams whose first token came in this step; null: none came.</summary>
    public Percentiles? Ttft { get; init; }

    /// <summary>Time per output token of streams that ended in this step; null: none.</summary>
    public Percentiles? Tpot { get; init; }
}

/// <summary>Percentiles of a step.</summary>
internal sealed record Percentiles
{
    /// <summary>Median.</summary>
    public required double P50 { get; init; }

    /// <summary>90th.</summary>
    public required double P90 { get; init; }

    /// <summary>99th.</summary>
    public required double P99 { get; init; }
}

/// <summary>One stream. Times are milliseconds since the start of the run; null: it did not happen.</summary>
internal sealed record StreamSample
{
    /// <summary>Number of the call, from 0.</summary>
    public required long Number { get; init; }

    /// <summary>Planned send.</summary>
    public required double Planned { get; init; }

    /// <summary>Real send.</summary>
    public required double Sent { get; init; }

    /// <summary>First token.</summary>
    public double? FirstToken { get; init; }

    /// <summary>Last token.</summary>
    public double? LastToken { get; init; }

    /// <summary>End of the call.</summary>
    public required double Ended { get; init; }

    /// <summary>Time in queues as the server tells it.</summary>
    public double? ServerQueue { get; init; }

    /// <summary>Output tokens that arrived.</summary>
    public long OutputTokens { get; init; }

    /// <summary>Messages that arrived.</summary>
    public long Chunks { get; init; }

    /// <summary>Finish reason in lower case, or the reason of the error in upper case.</summary>
    public required string Outcome { get; init; }

    /// <summary>Whether it ended well.</summary>
    public bool Succeeded { get; init; }
}

/// <summary>This program's own error: what it measured less what the simulator's schedule says.</summary>
internal sealed record TimingCheck
{
    /// <summary>Time to first token that the schedule says.</summary>
    public required double ScheduledTtft { get; init; }

    /// <summary>Time between tokens that the schedule says.</summary>
    public required double ScheduledItl { get; init; }

    /// <summary>Measured less scheduled time to first token.</summary>
    public required Percentiles TtftError { get; init; }

    /// <summary>Measured less scheduled arrival of each later token, counted from the first one.</summary>
    public required Percentiles TokenError { get; init; }
}
