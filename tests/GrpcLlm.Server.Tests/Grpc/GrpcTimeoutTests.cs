using GrpcLlm.Server.Grpc;
using Microsoft.Extensions.Primitives;

namespace GrpcLlm.Server.Tests.Grpc;

/// <summary>Which timeouts mean that the time is over.</summary>
public sealed class GrpcTimeoutTests
{
    [Theory]
    [InlineData("0n", true)]
    [InlineData("1n", true)]
    [InlineData("99n", true)]
    [InlineData("00000099n", true)]
    [InlineData("0H", true)]
    [InlineData("0M", true)]
    [InlineData("00000000S", true)]
    [InlineData("0m", true)]
    [InlineData("0u", true)]
    [InlineData("100n", false)]
    [InlineData("1u", false)]
    [InlineData("1H", false)]
    [InlineData("", false)]
    [InlineData("0", false)]
    [InlineData("n", false)]
    [InlineData("0s", false)]
    [InlineData("-0S", false)]
    [InlineData(" 0S", false)]
    [InlineData("000000000S", false)]
    public void IsOver_IsAWholeTimeoutOfLessThanATick(string header, bool over) =>
        GrpcTimeout.IsOver(new StringValues(header)).ShouldBe(over);

    [Fact]
    public void IsOver_NoneOrTwo_IsNot()
    {
        GrpcTimeout.IsOver(StringValues.Empty).ShouldBeFalse();
        GrpcTimeout.IsOver(new StringValues(["0S", "0S"])).ShouldBeFalse();
    }
}
