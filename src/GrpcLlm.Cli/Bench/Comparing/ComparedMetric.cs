using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Comparing;

/// <summary>Kinds of compared metrics.</summary>
internal enum MetricKind
{
    /// <summary>Milliseconds, compared by ratio; less is better.</summary>
    Time,

    /// <summary>Something a second, compared by ratio; more is better.</summary>
    Rate,

    /// <summary>0 to 1, compared by difference, as it may be 0.</summary>
    Share,
}

/// <summary>A metric of a run that is compared.</summary>
/// <param name="Name">Its name in JSON.</param>
/// <param name="Label">Its name for people.</param>
/// <param name="Kind">How it is compared.</param>
/// <param name="MoreIsBetter">Its good direction.</param>
/// <param name="Of">Its value in a run; null: the run has none.</param>
internal sealed record ComparedMetric(string Name, string Label, MetricKind Kind, bool MoreIsBetter, Func<BenchRun, double?> Of)
{
    /// <summary>All of them.</summary>
    public static readonly IReadOnlyList<ComparedMetric> All =
    [
        Time("ttftP50", "TTFT p50", MetricNames.Ttft, values => values.P50),
        Time("ttftP99", "TTFT p99", MetricNames.Ttft, values => values.P99),
        Time("tpotP50", "TPOT p50", MetricNames.Tpot, values => values.P50),
        Time("tpotP99", "TPOT p99", MetricNames.Tpot, values => values.P99),
        Time("e2eP99", "E2E p99", MetricNames.E2e, values => values.P99),
        new("outputTokensPerSecond", "Tokens/s", MetricKind.Rate, MoreIsBetter: true, run => run.Throughput.OutputTokensPerSecond),
        new("requestsPerSecond", "Requests/s", MetricKind.Rate, MoreIsBetter: true, run => run.Throughput.RequestsPerSecond),
        new(GoodputName, "Goodput", MetricKind.Share, MoreIsBetter: true, run => run.Goodput?.Share),
        new("errorShare", "Errors", MetricKind.Share, MoreIsBetter: false, RunVerdict.FailedShare),
    ];

    /// <summary>The one metric that depends on the objectives.</summary>
    public const string GoodputName = "goodputShare";

    /// <summary>The value of the effect that means: no difference.</summary>
    public double Neutral => Kind == MetricKind.Share ? 0 : 1;

    /// <summary>The effect of a candidate against its base: its ratio, or its difference.</summary>
    public double Effect(double baseline, double candidate) => Kind == MetricKind.Share ? candidate - baseline : candidate / baseline;

    /// <summary>A value for people.</summary>
    public string Text(double value) => Kind switch
    {
        MetricKind.Time => Figures.Time(value),
        MetricKind.Rate => Figures.Rate(value),
        _ => Figures.Share(value),
    };

    /// <summary>An effect for people.</summary>
    public string EffectText(double effect) => Kind == MetricKind.Share ? Figures.Points(effect) : Figures.Change(effect);

    private static ComparedMetric Time(string name, string label, string metric, Func<Distribution, double> of) =>
        new(name, label, MetricKind.Time, MoreIsBetter: false, run => run.Metrics.GetValueOrDefault(metric) is { } values ? of(values) : null);
}
