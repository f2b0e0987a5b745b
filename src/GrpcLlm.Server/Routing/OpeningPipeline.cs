using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using Polly;
using Polly.Hedging;
using Polly.Retry;
using Polly.Timeout;

namespace GrpcLlm.Server.Routing;

/// <summary>
/// How an answer is opened, from the outside in. The strategies are Polly's; which attempt is next, and whether there is
/// one, is the call's <see cref="AttemptPlan"/>'s.
/// <code>
/// timeout   from acceptance to the first token
///   retry   another round over the routes, after a wait: exponential with jitter, or what the backends ask for
///     hedge   one round: the next attempt at once after a failed one, beside a slow one after HedgeAfter
///       breaker   of the lane that is tried (see Breaker)
/// </code>
/// </summary>
internal static class OpeningPipeline
{
    /// <summary>Makes the pipeline for calls whose first route has these settings.</summary>
    public static ResiliencePipeline<OpenedAnswer> Build(ResilienceOptions options, TimeProvider timeProvider)
    {
        var builder = new ResiliencePipelineBuilder<OpenedAnswer> { TimeProvider = timeProvider };
        builder.AddTimeout(new TimeoutStrategyOptions
        {
            // Polly takes no time left for no timeout at all.
            TimeoutGenerator = static arguments =>
                ValueTask.FromResult(TimeSpan.FromTicks(Math.Max(1, AttemptPlan.Of(arguments.Context).TimeLeft.Ticks))),
        });
        builder.AddRetry(new RetryStrategyOptions<OpenedAnswer>
        {
            // The plan counts attempts; a round in which every lane rests makes none.
            MaxRetryAttempts = int.MaxValue,
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            Delay = options.BaseDelay,
            MaxDelay = options.MaxDelay,
            ShouldHandle = static arguments => ValueTask.FromResult(
                arguments.Outcome.Exception is BackendException && AttemptPlan.Of(arguments.Context).MayStartAnotherRound()),
            DelayGenerator = static arguments => ValueTask.FromResult(AttemptPlan.Of(arguments.Context).WaitForLane()),
        });
        builder.AddHedging(new HedgingStrategyOptions<OpenedAnswer>
        {
            MaxHedgedAttempts = Math.Max(1, options.MaxAttempts - 1),
            ShouldHandle = static arguments => ValueTask.FromResult(arguments.Outcome.Exception is BackendException),
            DelayGenerator = static arguments => ValueTask.FromResult(AttemptPlan.Of(arguments.Context).HedgeAfter()),
            ActionGenerator = static arguments =>
            {
                var plan = AttemptPlan.Of(arguments.ActionContext);
                if (!plan.TryPlanNext(out var next)) return null;
                var context = arguments.ActionContext;
                return () => AnswerAttempt.RunAsync(plan, next, context);
            },
        });
        return builder.Build();
    }
}
