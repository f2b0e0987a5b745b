using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Routing;

/// <summary>
/// Gets an answer to its first event. All that may be tried again is tried here; whoever holds an
/// <see cref="OpenedAnswer"/> has passed the point after which there is no second attempt. Stateless and thread-safe.
/// </summary>
internal static class AnswerOpener
{
    /// <summary>Opens the answer at the first of the routes.</summary>
    /// <exception cref="CallFailureException">The backend failed before its first token.</exception>
    /// <exception cref="OperationCanceledException">The call was told to stop.</exception>
    public static async Task<OpenedAnswer> OpenAsync(
        IReadOnlyList<ModelRoute> routes, GenerateRequest request, GenerationRecord record, CallStates states,
        CallProgress progress, CancellationToken cancellationToken)
    {
        var route = routes[0];
        var attempt = new Attempt
        {
            Number = (uint)record.Attempts.Count + 1,
            Backend = route.Backend.Name,
            StartUs = (ulong)record.Clock.ElapsedMicroseconds,
        };
        record.Attempts.Add(attempt);
        record.Backend = route.Backend.Name;
        progress.Report(ProgressPhase.WaitingForFirstToken, attempt.Number);

        IAsyncEnumerator<BackendEvent>? events = null;
        try
        {
            events = route.Backend.GenerateAsync(new BackendCall(request, route.Model), cancellationToken)
                .GetAsyncEnumerator(cancellationToken);
            var atHand = await FirstTokenAsync(events, record, states, progress, attempt.Number);
            attempt.Outcome = AttemptOutcome.Served;
            return new OpenedAnswer(atHand, record.Clock.ElapsedMicroseconds, events);
        }
        catch (Exception exception)
        {
            if (events is not null) await events.DisposeAsync();
            attempt.DurationUs = (ulong)record.Clock.ElapsedMicroseconds - attempt.StartUs;
            attempt.Outcome = exception is OperationCanceledException ? AttemptOutcome.Cancelled : AttemptOutcome.Failed;
            if (exception is not BackendException failure) throw;

            var meaning = CallFailureException.Of(failure, delivered: false);
            attempt.ErrorReason = meaning.Reason;
            throw meaning;
        }
    }

    private static async ValueTask<List<BackendEvent>> FirstTokenAsync(
        IAsyncEnumerator<BackendEvent> events, GenerationRecord record, CallStates states, CallProgress progress,
        uint attempt)
    {
        var atHand = new List<BackendEvent>(1);
        while (true)
        {
            var since = record.Clock.ElapsedMicroseconds;
            var queued = states.Current == StreamState.Queued;
            var any = await events.MoveNextAsync();
            var waited = record.Clock.ElapsedMicroseconds - since;
            if (queued) record.QueueMicroseconds += waited;
            else record.WaitingMicroseconds += waited;
            if (!any) throw new BackendException(BackendFailure.Truncated, "The backend gave no answer.");

            var current = events.Current;
            switch (current.Kind)
            {
                case BackendEventKind.Queued:
                    states.Move(StreamState.Queued);
                    progress.Report(ProgressPhase.Queued, attempt, current.QueuePosition);
                    continue;
                case BackendEventKind.Opened:
                    record.Opening = current.Opening!;
                    break;
                case BackendEventKind.Usage:
                    record.ReportedUsage = current.Usage;
                    break;
                case BackendEventKind.Alive:
                    break;
                case BackendEventKind.Signature:
                    atHand.Add(current);
                    break;
                default:
                    if (current.Kind != BackendEventKind.Finished && IsEmpty(current)) break;
                    atHand.Add(current);
                    return atHand;
            }

            if (!queued) continue;
            states.Move(StreamState.WaitingForFirstToken);
            progress.Report(ProgressPhase.WaitingForFirstToken, attempt);
        }
    }

    // A role alone, an empty delta: nothing that a client could see or count.
    private static bool IsEmpty(in BackendEvent current) =>
        current.TokenCount == 0 && current.Text.Length == 0 && current.ToolCall is null;
}
