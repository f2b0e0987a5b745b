using GrpcLlm.Cli.Bench.Profiles;

namespace GrpcLlm.Client.Tests.Cli.Bench.Profiles;

public sealed class GoDurationTests
{
    [Theory]
    [InlineData("10s", 10_000)]
    [InlineData("1m30s", 90_000)]
    [InlineData("500ms", 500)]
    [InlineData("1.5h", 5_400_000)]
    [InlineData("1h2m3.5s", 3_723_500)]
    [InlineData("+2s", 2_000)]
    [InlineData(".5s", 500)]
    [InlineData("250us", 0.25)]
    [InlineData("250\u00B5s", 0.25)]
    [InlineData("250\u03BCs", 0.25)]
    [InlineData("1500000ns", 1.5)]
    [InlineData("0", 0)]
    [InlineData("0s", 0)]
    public void Text_AsGoWritesIt_IsRead(string text, double milliseconds)
    {
        GoDuration.TryParse(text, out var duration, out var mistake).ShouldBeTrue(mistake);
        duration.TotalMilliseconds.ShouldBe(milliseconds);
    }

    [Theory]
    [InlineData("10", "has no unit")]
    [InlineData("", "is no duration")]
    [InlineData("s", "is no duration")]
    [InlineData("1d", "is no duration")]
    [InlineData("1..5s", "is no duration")]
    [InlineData("1m 30s", "is no duration")]
    [InlineData("-1s", "is negative")]
    [InlineData("9999999999h", "is too long")]
    [InlineData("2000000h2000000h", "is too long")]
    public void Text_ThatGoDoesNotTake_IsRefusedWithAReason(string text, string reason)
    {
        GoDuration.TryParse(text, out _, out var mistake).ShouldBeFalse();
        mistake.ShouldContain(reason);
    }

    [Theory]
    [InlineData("0s")]
    [InlineData("500ms")]
    [InlineData("0.25ms")]
    [InlineData("1.5s")]
    [InlineData("1m30s")]
    [InlineData("1h0m5s")]
    public void Duration_Written_ReadsBack(string text)
    {
        GoDuration.TryParse(text, out var duration, out _).ShouldBeTrue();
        GoDuration.Format(duration).ShouldBe(text);
    }
}
