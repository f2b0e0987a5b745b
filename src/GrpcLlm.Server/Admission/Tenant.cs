using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Admission;

/// <summary>
/// Who calls. Names of generations are the tenant's own: nobody sees or cancels another's. One object per name for the
/// life of the process, so that what was spent stays spent when the limits change. Thread-safe.
/// </summary>
internal sealed class Tenant
{
    private readonly TimeProvider _time;
    private volatile TenantLimits _limits = TenantLimits.None;
    private volatile MinuteBudget? _requests;
    private volatile MinuteBudget? _tokens;

    /// <param name="name">Configured name; empty for callers without credentials.</param>
    public Tenant(string name)
        : this(name, TenantLimits.None, TimeProvider.System)
    {
    }

    /// <param name="name">Configured name; empty for callers without credentials.</param>
    /// <param name="limits">What it may use.</param>
    /// <param name="timeProvider">Clock of its budgets.</param>
    public Tenant(string name, TenantLimits limits, TimeProvider timeProvider)
    {
        Name = name;
        _time = timeProvider;
        Update(limits);
    }

    /// <summary>Everybody, where no tenants are configured.</summary>
    public static Tenant Anonymous { get; } = new("");

    /// <summary>Configured name; empty for callers without credentials.</summary>
    public string Name { get; }

    /// <summary>What it may use now.</summary>
    public TenantLimits Limits => _limits;

    /// <summary>What is left of its requests; null: not limited.</summary>
    public MinuteBudget? RequestBudget => _limits.RequestsPerMinute is null ? null : _requests;

    /// <summary>What is left of its tokens; null: not limited.</summary>
    public MinuteBudget? TokenBudget => _limits.TokensPerMinute is null ? null : _tokens;

    /// <summary>
    /// Replaces the limits, for running calls too: none of them is ended by it, but a token budget counts from now on as
    /// it now is. One caller at a time; <see cref="AdmissionQueue.Update"/> afterwards lets in who may now run.
    /// </summary>
    public void Update(TenantLimits limits)
    {
        // The budgets first: who sees a limit finds its budget.
        _requests = Resized(_requests, limits.RequestsPerMinute);
        _tokens = Resized(_tokens, limits.TokensPerMinute);
        _limits = limits;
    }

    /// <summary>Whether it may use a model; its list may name the model by an alias.</summary>
    public bool MayUse(ServedModel model) =>
        _limits.Models is not { } allowed || allowed.Contains(model.Name) || model.Aliases.Any(allowed.Contains);

    /// <summary>Refuses a model that the tenant may not use.</summary>
    /// <exception cref="CallFailureException">MODEL_FORBIDDEN.</exception>
    public void CheckMayUse(ServedModel model)
    {
        if (MayUse(model)) return;
        throw new CallFailureException(
            ErrorReason.ModelForbidden, "This tenant may not use the model; ListModels names those that it may.");
    }

    /// <summary>Most output tokens of a call: what it asks for, at most what the tenant may have; null for no limit.</summary>
    /// <param name="requested">The request's <c>max_output_tokens</c>; null where it has none.</param>
    public uint? OutputLimit(uint? requested)
    {
        if (_limits.MaxOutputTokens is not { } most) return requested;
        return requested is { } wanted && wanted < most ? wanted : (uint)most;
    }

    /// <summary>Takes one of the requests a minute.</summary>
    /// <exception cref="CallFailureException">QUOTA_EXCEEDED, with the time until there is one again.</exception>
    public void TakeRequest()
    {
        if (RequestBudget is not { } budget || budget.TryReserve(1, out _, out var retryAfter)) return;
        throw CallFailureException.QuotaExceeded(Name, TenantLimits.RequestsPerMinuteName, retryAfter);
    }

    /// <summary>Gives back a request that was refused further on.</summary>
    public void ReturnRequest() => RequestBudget?.Return(1);

    private MinuteBudget? Resized(MinuteBudget? budget, int? perMinute)
    {
        if (perMinute is not { } limit) return budget;
        if (budget is null) return new MinuteBudget(limit, _time);
        budget.Resize(limit);
        return budget;
    }
}
