using GrpcLlm.V1;

namespace GrpcLlm.Server.Telemetry;

/// <summary>What a model's tokens cost. Decimal arithmetic: nothing is rounded before <see cref="ToMoney"/>. Immutable.</summary>
/// <param name="Currency">ISO 4217 code.</param>
/// <param name="Input">Of a million input tokens that are neither read from nor written to the provider's cache.</param>
/// <param name="CachedInput">Of a million input tokens read from the cache.</param>
/// <param name="CacheWriteInput">Of a million input tokens written to it.</param>
/// <param name="Output">Of a million output tokens, reasoning included.</param>
internal sealed record Price(string Currency, decimal Input, decimal CachedInput, decimal CacheWriteInput, decimal Output)
{
    private const decimal Million = 1_000_000m;
    private const decimal NanosPerUnit = 1_000_000_000m;

    /// <summary>Cost in whole units. Tokens that are not known cost nothing; subsets never exceed their total.</summary>
    public decimal Of(Usage usage)
    {
        var cached = Math.Min(usage.CachedInputTokens, usage.InputTokens);
        var written = Math.Min(usage.CacheWriteInputTokens, usage.InputTokens - cached);
        var plain = usage.InputTokens - cached - written;
        return ((plain * Input) + (cached * CachedInput) + (written * CacheWriteInput) + (usage.OutputTokens * Output)) / Million;
    }

    /// <summary>An amount as the contract tells it: to a billionth of a unit, half of one away from zero.</summary>
    public Money ToMoney(decimal amount)
    {
        var nanos = decimal.Round(amount * NanosPerUnit, MidpointRounding.AwayFromZero);
        return new Money
        {
            CurrencyCode = Currency,
            Units = (long)decimal.Truncate(nanos / NanosPerUnit),
            Nanos = (int)(nanos % NanosPerUnit),
        };
    }
}
