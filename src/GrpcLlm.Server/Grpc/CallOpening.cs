using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// The time of one call before its first token: it is admitted, perhaps after a wait in the queue, then its answer is
/// opened. Gauges and progress say which. Holds the request, so nothing that lasts as long as the stream may hold this. Not
/// thread-safe.
/// </summary>
internal sealed class CallOpening(
    CallAdmission admission, BackendCall call, IReadOnlyList<ModelRoute> routes, GenerationRecord record,
    CallStates states, CallLifetime lifetime, CallPlace place)
{
    // Null: nobody wants to know.
    private readonly CallProgress? _progress = call.Request.Output is { Progress: true } ? new CallProgress() : null;

    /// <summary>Admits the call and gets its answer to the first token; meanwhile tells progress to those who asked for it.</summary>
    /// <param name="writer">Writes progress.</param>
    /// <exception cref="CallFailureException">It was refused, or no attempt brought a token.</exception>
    /// <returns>The answer; null: the call was told to stop.</returns>
    public async Task<OpenedAnswer?> OpenAsync(ChunkWriter writer)
    {
        var opened = AdmitAndOpenAsync();
        if (_progress is not null)
            await new ProgressSender(writer, _progress, lifetime, record.Clock.TimeProvider).SendUntilAsync(opened);
        if (await opened is { } answer) return answer;
        if (record.Attempts.Count > 0) record.UpstreamStopped(lifetime.SinceStop);
        return null;
    }

    private async Task<OpenedAnswer?> AdmitAndOpenAsync()
    {
        var limited = call with { Tenant = record.Tenant.Name, MaxOutputTokens = record.Tenant.OutputLimit(call.MaxOutputTokens) };
        if (!await AdmitAsync(limited)) return null;
        return await AnswerOpener.OpenAsync(routes, limited, record, states, _progress, lifetime.Token);
    }

    /// <returns>False: the call was told to stop.</returns>
    private async ValueTask<bool> AdmitAsync(BackendCall limited)
    {
        var since = record.Clock.ElapsedMicroseconds;
        var admitting = admission.AdmitAsync(
            record.Tenant, record.InputEstimate ?? 0, limited.MaxOutputTokens, TimeLeft(since), TellPosition(), lifetime.Token);
        if (!admitting.IsCompleted) states.Move(StreamState.Queued);
        AdmittedCall? admitted;
        try
        {
            admitted = await admitting;
        }
        finally
        {
            record.QueueMicroseconds += record.Clock.ElapsedMicroseconds - since;
        }

        if (admitted is null) return false;
        place.Take(admitted);
        states.Move(StreamState.WaitingForFirstToken);
        _progress?.Report(ProgressPhase.Connecting, 0);
        return true;
    }

    private Action<uint>? TellPosition() => _progress is { } progress
        ? position => progress.Report(ProgressPhase.Queued, 0, position)
        : null;

    private TimeSpan TimeLeft(long elapsed)
    {
        var left = routes[0].Pool.Options.TotalTimeout - TimeSpan.FromMicroseconds(elapsed);
        return lifetime.Budget is { } budget && budget < left ? budget : left;
    }
}
