using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;
using Polly;

namespace GrpcLlm.Server.Routing;

/// <summary>
/// Gets an answer to its first token. All that may be tried again is tried here; whoever holds an
/// <see cref="OpenedAnswer"/> has passed the point after which there is no second attempt. Stateless and thread-safe.
/// </summary>
internal static class AnswerOpener
{
    /// <summary>Opens the answer: retries, fails over and hedges as the first route's settings say.</summary>
    /// <param name="routes">The routes of the call, in its order; at least one.</param>
    /// <param name="call">The request; each attempt adds its model and key.</param>
    /// <param name="record">Gets the attempts.</param>
    /// <param name="states">State of the call for the gauges.</param>
    /// <param name="progress">Told what the call waits for; null: nobody is.</param>
    /// <param name="cancellationToken">The call's token; ends the answer too.</param>
    /// <returns>The answer; null: the call was told to stop.</returns>
    /// <exception cref="CallFailureException">No attempt brought a token.</exception>
    public static async Task<OpenedAnswer?> OpenAsync(
        IReadOnlyList<ModelRoute> routes, BackendCall call, GenerationRecord record, CallStates states,
        CallProgress? progress, CancellationToken cancellationToken)
    {
        var plan = new AttemptPlan(routes, record, states, progress) { Call = call, CallToken = cancellationToken };
        if (plan.TimeLeft <= TimeSpan.Zero)
            throw new CallFailureException(ErrorReason.FirstTokenTimeout, "The time for the first token passed in the queue.");

        var context = ResilienceContextPool.Shared.Get(cancellationToken);
        plan.AttachTo(context);
        Outcome<OpenedAnswer> outcome;
        try
        {
            outcome = await routes[0].Pool.Pipeline.ExecuteOutcomeAsync(AnswerAttempt.RunFirstAsync, context, plan);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }

        plan.Close(outcome.Result?.Attempt);
        if (outcome.Result is { } answer) return answer;
        return cancellationToken.IsCancellationRequested ? null : throw plan.Failure(outcome.Exception);
    }
}
