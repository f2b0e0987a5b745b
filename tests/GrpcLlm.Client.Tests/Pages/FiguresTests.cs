using GrpcLlm.Pages;

namespace GrpcLlm.Client.Tests.Pages;

public sealed class FiguresTests
{
    [Theory]
    [InlineData(0, "0 ms")]
    [InlineData(0.0873, "87.3 µs")]
    [InlineData(0.9996, "1.00 ms")]
    [InlineData(20.06, "20.1 ms")]
    [InlineData(203.4, "203 ms")]
    [InlineData(999.6, "1.00 s")]
    [InlineData(1240, "1.24 s")]
    [InlineData(119_400, "119 s")]
    [InlineData(750_000, "12.5 min")]
    [InlineData(9_000_000, "2.50 h")]
    [InlineData(-1.5, "\u22121.50 ms")]
    public void Time_HasThreeDigitsAndAUnitThatFits(double milliseconds, string expected) => Figures.Time(milliseconds).ShouldBe(expected);

    [Theory]
    [InlineData(0, "0")]
    [InlineData(7.254, "7.25")]
    [InlineData(999.7, "1,000")]
    [InlineData(1_240, "1,240")]
    [InlineData(12_400, "12.4 k")]
    [InlineData(999_600, "1.00 M")]
    [InlineData(1_240_000, "1.24 M")]
    [InlineData(2_500_000_000, "2.50 G")]
    public void Rate_HasThreeDigitsAndAPrefixThatFits(double rate, string expected) => Figures.Rate(rate).ShouldBe(expected);

    [Theory]
    [InlineData(0, "0 %")]
    [InlineData(1, "100 %")]
    [InlineData(0.9712, "97.1 %")]
    [InlineData(0.99997, "99.997 %")]
    [InlineData(0.00001, "0.001 %")]
    [InlineData(0.9999999999, "> 99.9999 %")]
    [InlineData(0.0000000001, "< 0.0001 %")]
    public void Share_NearAllOrNothing_IsNeverRoundedToIt(double share, string expected) => Figures.Share(share).ShouldBe(expected);

    [Theory]
    [InlineData(1, "0.0 %")]
    [InlineData(1.025, "+2.5 %")]
    [InlineData(0.88, "\u221212.0 %")]
    [InlineData(3.4, "× 3.40")]
    public void Change_IsSigned(double ratio, string expected) => Figures.Change(ratio).ShouldBe(expected);

    [Theory]
    [InlineData("30.0 ms", "30 ms")]
    [InlineData("2.50 s", "2.5 s")]
    [InlineData("400 ms", "400 ms")]
    [InlineData("5.00", "5")]
    [InlineData("1,200", "1,200")]
    public void Given_HasNoZerosOfAMeasurement(string figure, string expected) => Figures.Given(figure).ShouldBe(expected);

    [Fact]
    public void Plural_FollowsTheNumber()
    {
        Figures.Plural(1, "run").ShouldBe("1 run");
        Figures.Plural(100_000, "stream").ShouldBe("100,000 streams");
    }
}
