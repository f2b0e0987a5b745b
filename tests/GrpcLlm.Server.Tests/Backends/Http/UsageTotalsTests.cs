using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Http;

public sealed class UsageTotalsTests
{
    [Theory]
    [InlineData(1, 2, 3)]
    [InlineData(uint.MaxValue, 0, uint.MaxValue)]
    [InlineData(uint.MaxValue, 2, uint.MaxValue)]
    public void Add_CountsOfAnySize_NeverWrapsAround(uint one, uint other, uint expected) => UsageTotals.Add(one, other).ShouldBe(expected);

    [Fact]
    public void Widen_SubsetsThatAreMore_RaiseTheTotals() => UsageTotals
        .Widen(new Usage { InputTokens = 3, CachedInputTokens = 4, CacheWriteInputTokens = 5, OutputTokens = 1, ReasoningTokens = 12 })
        .ShouldBe(new Usage { InputTokens = 9, CachedInputTokens = 4, CacheWriteInputTokens = 5, OutputTokens = 12, ReasoningTokens = 12 });

    [Fact]
    public void Widen_InputThatWasNotTold_StaysUntold() =>
        UsageTotals.Widen(new Usage { CachedInputTokens = 4, OutputTokens = 5 }).HasInputTokens.ShouldBeFalse();
}
