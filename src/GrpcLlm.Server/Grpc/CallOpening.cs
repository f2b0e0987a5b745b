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
/// opened. Gauges and progress say which. Disposing it frees the place and settles what was used. Not thread-safe.
/// </summary>
internal sealed class CallOpening(
    CallAdmission admission, BackendCall call, IReadOnlyList<ModelRoute> routes, GenerationRecord record,
    CallStates states, CallLifetime lifetime) : IDisposable
{
    private AdmittedCall? _admitted;
    private uint _inputEstimate;

    /// <summary>What the call waits for; null: nobody wants to know.</summary>
    public CallProgress? Progress { get; } = call.Request.Output is { Progress: true } ? new CallProgress() : null;

    /// <summary>Counts the call's tokens against the tenant's; null: they are not limited.</summary>
    public TokenMeter? Meter => _admitted?.Tokens;

    /// <summary>Admits the call and gets its answer to the first token.</summary>
    /// <exception cref="CallFailureException">It was refused, or no attempt brought a token.</exception>
    /// <returns>The answer; null: the call was told to stop.</returns>
    public async Task<OpenedAnswer?> OpenAsync()
    {
        var limited = call with { Tenant = record.Tenant.Name, MaxOutputTokens = record.Tenant.OutputLimit(call.MaxOutputTokens) };
        if (!await AdmitAsync(limited)) return null;
        return await AnswerOpener.OpenAsync(routes, limited, record, states, Progress, lifetime.Token);
    }

    public void Dispose()
    {
        if (_admitted is not { } admitted) return;
        if (admitted.Tokens is not null) admitted.Settle(record.UsedTokens(_inputEstimate));
        admitted.Dispose();
    }

    /// <returns>False: the call was told to stop.</returns>
    private async ValueTask<bool> AdmitAsync(BackendCall limited)
    {
        // Counted only for those whose tokens are limited.
        if (record.Tenant.TokenBudget is not null) _inputEstimate = InputEstimate.Of(call.Request).Tokens;
        var since = record.Clock.ElapsedMicroseconds;
        var admitting = admission.AdmitAsync(
            record.Tenant, _inputEstimate, limited.MaxOutputTokens, TimeLeft(since), TellPosition(), lifetime.Token);
        if (!admitting.IsCompleted) states.Move(StreamState.Queued);
        try
        {
            _admitted = await admitting;
        }
        finally
        {
            record.QueueMicroseconds += record.Clock.ElapsedMicroseconds - since;
        }

        if (_admitted is null) return false;
        states.Move(StreamState.WaitingForFirstToken);
        Progress?.Report(ProgressPhase.Connecting, 0);
        return true;
    }

    private Action<uint>? TellPosition() => Progress is { } progress
        ? position => progress.Report(ProgressPhase.Queued, 0, position)
        : null;

    private TimeSpan TimeLeft(long elapsed)
    {
        var left = routes[0].Pool.Options.TotalTimeout - TimeSpan.FromMicroseconds(elapsed);
        return lifetime.Budget is { } budget && budget < left ? budget : left;
    }
}
