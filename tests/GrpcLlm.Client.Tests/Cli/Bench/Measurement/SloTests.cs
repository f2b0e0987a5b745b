using GrpcLlm.Cli;
using GrpcLlm.Cli.Bench.Measurement;

namespace GrpcLlm.Client.Tests.Cli.Bench.Measurement;

public sealed class SloTests
{
    [Theory]
    [InlineData("ttft=200ms", "ttft", 200)]
    [InlineData("tpot=0.5ms", "tpot", 0.5)]
    [InlineData("e2e=1.5m", "e2e", 90_000)]
    public void Text_OfAnObjective_IsRead(string text, string metric, double milliseconds) =>
        Slo.Parse(text).ShouldBe(new Slo(metric, TimeSpan.FromMilliseconds(milliseconds)));

    [Theory]
    [InlineData("ttft")]
    [InlineData("ttft=")]
    [InlineData("ttft=soon")]
    [InlineData("itl=5ms")]
    [InlineData("=5ms")]
    public void Text_OfNone_IsRefused(string text) =>
        Should.Throw<UsageException>(() => Slo.Parse(text)).Message.ShouldContain($"'{text}'");

    [Theory]
    [InlineData("ttft=200ms", true)]
    [InlineData("ttft=199.9ms", false)]
    [InlineData("tpot=20ms", true)]
    [InlineData("tpot=19.9ms", false)]
    [InlineData("e2e=580ms", true)]
    [InlineData("e2e=579ms", false)]
    public void Stream_AtItsLimit_MeetsIt(string text, bool isMet) =>
        Slo.Parse(text).IsMetBy(Given.Stream(ttft: 200, itl: 20, tokens: 20)).ShouldBe(isMet);
}
