using System.ComponentModel.DataAnnotations;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// Price of a model's tokens, <c>GrpcLlm:Models:&lt;key&gt;:Price</c>. Default: none, and no cost is told. Amounts are for a
/// million tokens, 0 to 1,000,000, with at most nine decimals, so that no sum of them is rounded.
/// </summary>
internal sealed class PriceOptions
{
    /// <summary>Most digits behind the point.</summary>
    public const int MaxDecimals = 9;

    /// <summary>ISO 4217 code, such as <c>USD</c>. Required.</summary>
    public string Currency { get; set; } = "";

    /// <summary>Of input. Required.</summary>
    [Range(typeof(decimal), "0", "1000000")]
    public decimal? Input { get; set; }

    /// <summary>Of input that the provider reads from its cache. Default: <see cref="Input"/>.</summary>
    [Range(typeof(decimal), "0", "1000000")]
    public decimal? CachedInput { get; set; }

    /// <summary>Of input that the provider writes to its cache. Default: <see cref="Input"/>.</summary>
    [Range(typeof(decimal), "0", "1000000")]
    public decimal? CacheWriteInput { get; set; }

    /// <summary>Of output, reasoning included. Required.</summary>
    [Range(typeof(decimal), "0", "1000000")]
    public decimal? Output { get; set; }

    /// <summary>The price; null where none is set. Valid by <see cref="Check"/>.</summary>
    public Price? ToPrice() => IsSet ? new Price(Currency, Input!.Value, CachedInput ?? Input.Value, CacheWriteInput ?? Input.Value, Output!.Value) : null;

    private bool IsSet => Currency.Length > 0 || Amounts().Any(static amount => amount.Value is not null);

    /// <summary>Checks what the ranges do not.</summary>
    public void Check(string path, List<string> errors)
    {
        if (!IsSet) return;
        if (Currency.Length != 3 || !Currency.All(char.IsAsciiLetterUpper))
            errors.Add($"{path}:Currency: must be an ISO 4217 code such as USD, is '{Currency}'");
        if (Input is null) errors.Add($"{path}:Input: is required with a price");
        if (Output is null) errors.Add($"{path}:Output: is required with a price");
        foreach (var (name, value) in Amounts())
        {
            if (value is { } amount && amount != decimal.Round(amount, MaxDecimals))
                errors.Add($"{path}:{name}: must have at most {MaxDecimals} decimals");
        }
    }

    private IEnumerable<(string Name, decimal? Value)> Amounts() =>
    [
        (nameof(Input), Input), (nameof(CachedInput), CachedInput), (nameof(CacheWriteInput), CacheWriteInput),
        (nameof(Output), Output),
    ];
}
