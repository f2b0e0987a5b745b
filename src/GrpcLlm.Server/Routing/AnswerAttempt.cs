using GrpcLlm.Server.Backends;
using Polly;
using Polly.CircuitBreaker;

namespace GrpcLlm.Server.Routing;

/// <summary>One attempt, from its start to its first token. Stateless and thread-safe.</summary>
internal static class AnswerAttempt
{
    /// <summary>Runs the first attempt of a round.</summary>
    public static ValueTask<Outcome<OpenedAnswer>> RunFirstAsync(ResilienceContext context, AttemptPlan plan)
    {
        plan.StartRound();
        if (plan.TryPlanNext(out var first)) return RunAsync(plan, first, context);

        // All lanes rest; the plan has noted why.
        return Outcome.FromExceptionAsValueTask<OpenedAnswer>(plan.LastFailure);
    }

    /// <summary>Runs a planned attempt.</summary>
    /// <returns>
    /// The answer; or a <see cref="BackendException"/>, or a cancellation. Null: the call was told to stop. Nothing is thrown.
    /// </returns>
    public static async ValueTask<Outcome<OpenedAnswer>> RunAsync(
        AttemptPlan plan, PlannedAttempt planned, ResilienceContext context)
    {
        var outcome = await planned.Lane.Breaker.ExecuteAsync(
            static (context, state) => OpenAsync(state.plan, state.planned, context.CancellationToken), context, (plan, planned));

        // Polly puts a new exception, with a stack trace of its own, in the place of each cancellation that passes a strategy:
        // most of what a cancel would cost. Nobody asks for it once the call is over.
        if (outcome.Exception is OperationCanceledException && plan.CallToken.IsCancellationRequested)
            return Outcome.FromResult<OpenedAnswer>(null);
        if (outcome.Exception is not BrokenCircuitException) return outcome;

        var obstacle = (planned.Lane.Obstacle ?? new Obstacle(BackendFailure.Unavailable, Requests.ErrorTable.DefaultRetryAfter))
            .ToException();
        plan.GiveBack(planned, obstacle);
        return Outcome.FromException<OpenedAnswer>(obstacle);
    }

    private static async ValueTask<Outcome<OpenedAnswer>> OpenAsync(
        AttemptPlan plan, PlannedAttempt planned, CancellationToken strategyToken)
    {
        var attempt = plan.Begin(planned);
        IAsyncEnumerator<BackendEvent>? events = null;
        Exception ending;
        try
        {
            var call = plan.Call with { Model = planned.Route.Model, Key = planned.Lane.Key };
            List<BackendEvent>? atHand;
            await using (attempt.GiveUpWith(strategyToken))
            {
                attempt.StartSpan(call);
                events = planned.Lane.Backend.GenerateAsync(call, attempt.Token).GetAsyncEnumerator(attempt.Token);
                atHand = await FirstTokenAsync(events, plan, attempt);
            }

            // A stream that was given up at the very moment of its first token serves nobody.
            if (atHand is not null && !attempt.Token.IsCancellationRequested)
            {
                call.ReleaseRequest();
                var arrival = plan.Clock.ElapsedMicroseconds;
                attempt.Span?.FirstToken(arrival - (long)attempt.Log.StartUs);
                return Outcome.FromResult(new OpenedAnswer(atHand, arrival, events) { Attempt = attempt });
            }

            ending = new OperationCanceledException(attempt.Token);
        }
        catch (Exception exception)
        {
            // A failure that the table knows; or given up; or a fault of this service, which nobody tries again.
            if (exception is BackendException failure) planned.Lane.Note(failure);
            ending = exception;
        }

        plan.NoteEnd(attempt, ending);
        if (events is not null) await events.DisposeAsync();
        attempt.Dispose();
        return Outcome.FromException<OpenedAnswer>(ending);
    }

    /// <returns>The first token and the signatures before it; null: the attempt was given up.</returns>
    private static async ValueTask<List<BackendEvent>?> FirstTokenAsync(
        IAsyncEnumerator<BackendEvent> events, AttemptPlan plan, RunningAttempt attempt)
    {
        var atHand = new List<BackendEvent>(1);
        while (await events.MoveNextAsync())
        {
            var current = events.Current;
            plan.NoteQueued(attempt, current.Kind == BackendEventKind.Queued ? current.QueuePosition : null);
            switch (current.Kind)
            {
                case BackendEventKind.Queued or BackendEventKind.Alive:
                    break;
                case BackendEventKind.Opened:
                    attempt.Opening = current.Opening;
                    break;
                case BackendEventKind.Usage:
                    attempt.ReportedUsage = current.Usage;
                    break;
                case BackendEventKind.Signature:
                    atHand.Add(current);
                    break;
                default:
                    if (current.Kind != BackendEventKind.Finished && IsEmpty(current)) break;
                    atHand.Add(current);
                    return atHand;
            }
        }

        return attempt.Token.IsCancellationRequested
            ? null
            : throw new BackendException(BackendFailure.Truncated, "The backend gave no answer.");
    }

    // A role alone, an empty delta: nothing that a client could see or count.
    private static bool IsEmpty(in BackendEvent current) =>
        current.TokenCount == 0 && current.Text.Length == 0 && current.ToolCall is null;
}
