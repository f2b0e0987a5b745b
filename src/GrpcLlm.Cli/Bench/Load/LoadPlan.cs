using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.Cli.Bench.Profiles;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>The load of a run and what it is judged by. Immutable.</summary>
internal sealed record LoadPlan
{
    /// <summary>Most open streams of an open loop, unless said otherwise.</summary>
    public const int DefaultMaxOpen = 10_000;

    /// <summary>Name of the run.</summary>
    public string Name { get; init; } = "";

    /// <summary>Free labels.</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Open loop: arrivals that wait for nobody. Else callers that wait for their answer.</summary>
    public bool IsOpen { get; init; }

    /// <summary>Calls a second of an open loop, callers of a closed one.</summary>
    public required LoadCurve Curve { get; init; }

    /// <summary>Poisson arrivals in an open loop; else constant ones.</summary>
    public bool IsPoisson { get; init; }

    /// <summary>Seed of everything drawn by chance.</summary>
    public long Seed { get; init; }

    /// <summary>HTTP/2 connections.</summary>
    public int Connections { get; init; } = 1;

    /// <summary>Number of calls after which it ends; null: not bounded by number.</summary>
    public long? Total { get; init; }

    /// <summary>Time after which no call starts; null: not bounded by time.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>What becomes of calls that run when <see cref="Duration"/> is over.</summary>
    public GhzDurationStop DurationStop { get; init; } = GhzDurationStop.Wait;

    /// <summary>Time at the beginning whose calls are left out.</summary>
    public TimeSpan Warmup { get; init; }

    /// <summary>Number of calls at the beginning that are left out.</summary>
    public long SkipFirst { get; init; }

    /// <summary>Messages after which a call is cancelled on purpose; null: streams run to their end.</summary>
    public long? StreamCallCount { get; init; }

    /// <summary>Longest time of one call; null: not bounded.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Objectives of single streams.</summary>
    public IReadOnlyList<Slo> Slos { get; init; } = [];

    /// <summary>Share of streams that has to meet every objective; null: there is none.</summary>
    public double? RequiredGoodput { get; init; }

    /// <summary>Largest share of failed streams; null: not bounded.</summary>
    public double? ErrorBudget { get; init; }

    /// <summary>Open streams at which an open loop gives up, so that a target that stands still does not eat all memory.</summary>
    public int MaxOpen { get; init; } = DefaultMaxOpen;

    /// <summary>Time without any answer, of connection failures only, after which the target counts as lost.</summary>
    public TimeSpan TargetLostAfter { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Wait of a caller whose connection failed, so that a target that is down is not hammered.</summary>
    public TimeSpan ReconnectPause { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>What a reader has to know of how a profile was read.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Length of the timeline's shortest step in nanoseconds.</summary>
    public long TimelineStep => Duration <= TimeSpan.FromMinutes(1) ? RunClock.Second / 10 : RunClock.Second;

    /// <summary>The settings as a result file holds them.</summary>
    /// <param name="target">Address of the target.</param>
    /// <param name="model">Model of the requests.</param>
    public LoadSettings SettingsFor(Uri target, string model) => new()
    {
        Target = target.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped),
        Model = model,
        Loop = IsOpen ? "open" : "closed",
        Concurrency = IsOpen ? null : (int)Curve.Last,
        RequestsPerSecond = IsOpen ? Curve.Last : null,
        Arrivals = !IsOpen ? "" : IsPoisson ? "poisson" : "constant",
        Seed = Seed,
        Connections = Connections,
        Total = Total,
        DurationSeconds = Duration?.TotalSeconds,
        WarmupSeconds = Warmup.TotalSeconds,
        SkipFirst = SkipFirst,
        TimeoutSeconds = Timeout?.TotalSeconds,
        Schedule = Curve.ToString(),
        StreamCallCount = StreamCallCount,
    };
}
