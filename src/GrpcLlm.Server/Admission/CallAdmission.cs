using GrpcLlm.Server.Requests;

namespace GrpcLlm.Server.Admission;

/// <summary>
/// Admits a call: a request and tokens of its tenant's minute, then a place among the running ones. Whatever was taken
/// is given back when a later step refuses, or the call is told to stop. Thread-safe.
/// </summary>
internal sealed class CallAdmission(AdmissionQueue queue)
{
    /// <summary>
    /// Admits a call, at once or after a wait in the queue; a task that is not complete when it is returned waits there.
    /// </summary>
    /// <param name="tenant">Who calls.</param>
    /// <param name="inputEstimate">Tokens of the input, as well as they are known.</param>
    /// <param name="maxOutputTokens">Most tokens of the output, as <see cref="Tenant.OutputLimit"/> says; null: open.</param>
    /// <param name="timeLeft">Time until the call must have its first token; null for no limit.</param>
    /// <param name="positionChanged">As for <see cref="AdmissionQueue.EnterAsync"/>; null if nobody wants to know.</param>
    /// <param name="stopped">The call's own token; ends the wait.</param>
    /// <returns>The call; null: it was told to stop.</returns>
    /// <exception cref="CallFailureException">QUOTA_EXCEEDED, OVERLOADED or DRAINING.</exception>
    public async ValueTask<AdmittedCall?> AdmitAsync(
        Tenant tenant, uint inputEstimate, uint? maxOutputTokens, TimeSpan? timeLeft, Action<uint>? positionChanged,
        CancellationToken stopped)
    {
        tenant.TakeRequest();
        TokenMeter? tokens = null;
        AdmissionSlot? slot = null;
        try
        {
            tokens = TokenMeter.Reserve(tenant, inputEstimate, maxOutputTokens);
            slot = await queue.EnterAsync(tenant, timeLeft, positionChanged, stopped);
            return slot is null ? null : new AdmittedCall(slot, tokens);
        }
        finally
        {
            // Refused, or told to stop.
            if (slot is null)
            {
                tokens?.Settle(0);
                tenant.ReturnRequest();
            }
        }
    }
}

/// <summary>A call that may run; dispose it when it is over, whatever its end. Not thread-safe.</summary>
/// <param name="slot">Its place.</param>
/// <param name="tokens">Its count; null: not limited.</param>
internal sealed class AdmittedCall(AdmissionSlot slot, TokenMeter? tokens) : IDisposable
{
    private bool _settled;

    /// <summary>What the relay counts on; null: the tenant's tokens are not limited.</summary>
    public TokenMeter? Tokens => tokens;

    /// <summary>Tells the true use of tokens. The first time counts.</summary>
    /// <param name="usedTokens">Input and output tokens that the call used, delivered or not.</param>
    public void Settle(long usedTokens)
    {
        if (_settled) return;
        _settled = true;
        tokens?.Settle(usedTokens);
    }

    /// <summary>Frees the place. A call that was not settled is charged for the tokens that it took.</summary>
    public void Dispose()
    {
        Settle(tokens?.Taken ?? 0);
        slot.Dispose();
    }
}
