using Polly;
using Polly.Retry;

namespace GrpcLlm.Client.Resilience;

/// <summary>How a generation is brought to its first token. The loop and its waits are Polly's, the decisions the call's.</summary>
internal static class RetryPipeline
{
    /// <summary>Makes the pipeline of a client.</summary>
    public static ResiliencePipeline<GenerationAttempt> Build(GrpcLlmRetryOptions options, TimeProvider timeProvider)
    {
        if (options.MaxAttempts == 1) return ResiliencePipeline<GenerationAttempt>.Empty;
        var builder = new ResiliencePipelineBuilder<GenerationAttempt> { TimeProvider = timeProvider };
        builder.AddRetry(new RetryStrategyOptions<GenerationAttempt>
        {
            MaxRetryAttempts = options.MaxAttempts - 1,
            ShouldHandle = static arguments => ValueTask.FromResult(
                GenerationOpening.Of(arguments.Context).MayTryAgain(arguments.Outcome.Exception)),
            DelayGenerator = static arguments => ValueTask.FromResult<TimeSpan?>(
                GenerationOpening.Of(arguments.Context).NextWait),
        });
        return builder.Build();
    }
}
