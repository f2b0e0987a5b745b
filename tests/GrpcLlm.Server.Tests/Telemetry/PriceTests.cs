using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Telemetry;

public sealed class PriceTests
{
    private static readonly Price Price = new("USD", Input: 3, CachedInput: 0.3m, CacheWriteInput: 3.75m, Output: 15);

    [Fact]
    public void Of_SubsetsAreTakenOutOfTheirTotal() => Price.Of(new Usage
    {
        InputTokens = 1000, CachedInputTokens = 700, CacheWriteInputTokens = 200, OutputTokens = 50, ReasoningTokens = 40,
    }).ShouldBe(((100 * 3) + (700 * 0.3m) + (200 * 3.75m) + (50 * 15)) / 1_000_000m);

    [Fact]
    public void Of_NothingKnown_IsNothing() => Price.Of(new Usage()).ShouldBe(0m);

    [Fact]
    public void Of_SubsetsThatExceedTheTotal_CostNoMoreThanTheTotal() => Price.Of(new Usage
    {
        InputTokens = 10, CachedInputTokens = 8, CacheWriteInputTokens = uint.MaxValue,
    }).ShouldBe(((8 * 0.3m) + (2 * 3.75m)) / 1_000_000m);

    [Fact]
    public void Of_TheMostThatFits_IsExact()
    {
        var dearest = new Price("USD", 999_999.999999999m, 0, 0, 999_999.999999999m);

        dearest.Of(new Usage { InputTokens = uint.MaxValue, OutputTokens = uint.MaxValue })
            .ShouldBe(8_589_934_589.99999141006541m);
    }

    [Theory]
    [InlineData("0", 0, 0)]
    [InlineData("0.0000000004", 0, 0)]
    [InlineData("0.0000000005", 0, 1)]
    [InlineData("0.0000000015", 0, 2)]
    [InlineData("1.9999999995", 2, 0)]
    [InlineData("12.345678901", 12, 345_678_901)]
    [InlineData("8589934589.999", 8_589_934_589, 999_000_000)]
    public void ToMoney_RoundsToABillionth_HalfUp(string amount, long units, int nanos) =>
        Price.ToMoney(decimal.Parse(amount, System.Globalization.CultureInfo.InvariantCulture))
            .ShouldBe(new Money { CurrencyCode = "USD", Units = units, Nanos = nanos });
}
