using GrpcLlm.Server.Requests;

namespace GrpcLlm.Server.Admission;

/// <summary>
/// Counts one call against its tenant's tokens a minute: reserves on admission, uses the reservation up as tokens
/// arrive, then draws from what the tenant has left, and settles by the true numbers in the end. One instance per call;
/// not thread-safe. No lock and no allocation per token.
/// </summary>
internal sealed class TokenMeter
{
    private readonly Tenant _tenant;
    private readonly long _reserved;
    private long _outputLeft;
    private long _drawn;

    private TokenMeter(Tenant tenant, long reserved, long inputEstimate)
    {
        _tenant = tenant;
        _reserved = reserved;
        _outputLeft = Math.Max(0, reserved - inputEstimate);
    }

    /// <summary>Output tokens that arrived and were allowed.</summary>
    public long Taken { get; private set; }

    /// <summary>Whether the last token used up the tenant's budget: what arrived with it is the last to be delivered.</summary>
    public bool IsSpent { get; private set; }

    /// <summary>
    /// Reserves for a call: its input and its most output. A call whose output is limited is so never cut short, unless
    /// the tenant's budget could not hold it even if it were full: then all of it is reserved. A call without a limit
    /// reserves one token of output.
    /// </summary>
    /// <param name="tenant">Who calls.</param>
    /// <param name="inputEstimate">Tokens of the input, as well as they are known before.</param>
    /// <param name="maxOutputTokens">Most tokens of the output; null where it is open.</param>
    /// <returns>null: the tenant's tokens are not limited.</returns>
    /// <exception cref="CallFailureException">QUOTA_EXCEEDED, with the time until there is enough.</exception>
    public static TokenMeter? Reserve(Tenant tenant, uint inputEstimate, uint? maxOutputTokens)
    {
        if (tenant.TokenBudget is not { } budget) return null;
        if (budget.TryReserve((long)inputEstimate + (maxOutputTokens ?? 1), out var reserved, out var retryAfter))
            return new TokenMeter(tenant, reserved, inputEstimate);
        throw CallFailureException.QuotaExceeded(tenant.Name, TenantLimits.TokensPerMinuteName, retryAfter);
    }

    /// <summary>Counts output tokens as they arrive, before they are delivered.</summary>
    /// <returns>false: the budget is spent, and they must not be delivered.</returns>
    public bool Take(uint tokens)
    {
        if (tokens > _outputLeft)
        {
            var beyond = tokens - _outputLeft;
            var spent = false;
            if (_tenant.TokenBudget is { } budget && !budget.Draw(beyond, out spent))
            {
                IsSpent = true;
                return false;
            }

            IsSpent = spent;
            _drawn += beyond;
            _outputLeft = 0;
        }
        else
        {
            _outputLeft -= tokens;
        }

        Taken += tokens;
        return true;
    }

    /// <summary>Ends the count by the true number: gives back what was not used, charges what was not counted. Once.</summary>
    /// <param name="actualTokens">Input and output tokens that the call used, delivered or not.</param>
    public void Settle(long actualTokens)
    {
        if (_tenant.TokenBudget is not { } budget) return;
        var unused = _reserved + _drawn - actualTokens;
        if (unused > 0) budget.Return(unused);
        else if (unused < 0) budget.Charge(-unused);
    }
}
