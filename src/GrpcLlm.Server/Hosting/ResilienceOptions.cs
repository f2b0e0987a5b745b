using System.ComponentModel.DataAnnotations;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// What is done for a token before the first one came: <c>GrpcLlm:Resilience</c>. After the first token there is no
/// second attempt, whatever stands here.
/// </summary>
internal sealed class ResilienceOptions
{
    /// <summary>
    /// All attempts of a call together, over routes, keys and hedges. 1 to 10; 1: nothing is tried again. Default: 3.
    /// </summary>
    [Range(1, 10)]
    public int MaxAttempts { get; set; } = 3;

    /// <summary>Wait before the routes are tried again; doubles with each round, with jitter. 0 to 1 min. Default: 200 ms.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:01:00")]
    public TimeSpan BaseDelay { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>
    /// Longest wait before the routes are tried again. A backend that asks for a longer one (Retry-After) is not waited
    /// for: the caller is told instead. 0 to 10 min. Default: 5 s.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan MaxDelay { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Longest time from acceptance to the first token, queue and all attempts included. 1 ms to 1 day. Default: 2 min.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan TotalTimeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>
    /// Time without a first token after which a second attempt starts beside the first; the first token wins. 0 to 1 hour;
    /// 0: never. Default: 0, since a hedged call may be paid twice.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan HedgeAfter { get; set; }

    /// <summary>
    /// Share of failures, 0.01 to 1, at which the breaker of a backend and key opens. A stream that breaks off after its
    /// first token counts as a success and a failure: above 0.5 such streams alone never open it. Default: 0.5.
    /// </summary>
    [Range(0.01, 1.0)]
    public double BreakerFailureRatio { get; set; } = 0.5;

    /// <summary>Attempts within the sampling duration below which the breaker never opens. 2 to 1,000,000. Default: 10.</summary>
    [Range(2, 1_000_000)]
    public int BreakerMinimumThroughput { get; set; } = 10;

    /// <summary>Time over which failures are counted. 500 ms to 1 hour. Default: 30 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.5", "01:00:00")]
    public TimeSpan BreakerSamplingDuration { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Time for which an open breaker lets nothing through; then one attempt tries. 500 ms to 1 hour. Default: 10 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.5", "01:00:00")]
    public TimeSpan BreakerBreakDuration { get; set; } = TimeSpan.FromSeconds(10);
}

/// <summary>
/// What differs for one backend: <c>GrpcLlm:Backends:&lt;name&gt;:Resilience</c>. Ranges and meaning as in
/// <see cref="ResilienceOptions"/>; null: as there. <c>MaxAttempts</c> and <c>TotalTimeout</c> belong to the call, not to
/// a backend.
/// </summary>
internal sealed class BackendResilienceOptions
{
    [Range(typeof(TimeSpan), "00:00:00", "00:01:00")]
    public TimeSpan? BaseDelay { get; set; }

    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan? MaxDelay { get; set; }

    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan? HedgeAfter { get; set; }

    [Range(0.01, 1.0)]
    public double? BreakerFailureRatio { get; set; }

    [Range(2, 1_000_000)]
    public int? BreakerMinimumThroughput { get; set; }

    [Range(typeof(TimeSpan), "00:00:00.5", "01:00:00")]
    public TimeSpan? BreakerSamplingDuration { get; set; }

    [Range(typeof(TimeSpan), "00:00:00.5", "01:00:00")]
    public TimeSpan? BreakerBreakDuration { get; set; }

    /// <summary>The settings in force for the backend.</summary>
    public ResilienceOptions Over(ResilienceOptions all) => new()
    {
        MaxAttempts = all.MaxAttempts,
        TotalTimeout = all.TotalTimeout,
        BaseDelay = BaseDelay ?? all.BaseDelay,
        MaxDelay = MaxDelay ?? all.MaxDelay,
        HedgeAfter = HedgeAfter ?? all.HedgeAfter,
        BreakerFailureRatio = BreakerFailureRatio ?? all.BreakerFailureRatio,
        BreakerMinimumThroughput = BreakerMinimumThroughput ?? all.BreakerMinimumThroughput,
        BreakerSamplingDuration = BreakerSamplingDuration ?? all.BreakerSamplingDuration,
        BreakerBreakDuration = BreakerBreakDuration ?? all.BreakerBreakDuration,
    };
}
