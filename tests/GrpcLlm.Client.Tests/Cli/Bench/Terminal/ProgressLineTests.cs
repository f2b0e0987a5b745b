using GrpcLlm.Cli.Bench.Load;
using GrpcLlm.Cli.Bench.Terminal;

namespace GrpcLlm.Client.Tests.Cli.Bench.Terminal;

public sealed class ProgressLineTests
{
    [Fact]
    public void Line_OfABoundedRun_TellsHowFarAndHowFast()
    {
        var plan = new LoadPlan { Curve = LoadCurve.Constant(10), Total = 200 };
        var before = new LiveSnapshot(60, 50, 0, 1000, 60, 12_000_000_000, 50, 1_000_000_000, 10);
        var now = new LiveSnapshot(110, 100, 3, 2000, 110, 22_150_000_000, 97, 1_940_000_000, 10);

        ProgressLine.Text(plan, now, before, TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(1))
            .ShouldBe("[##########----------]  50 %  50.0 streams/s  1,000 tokens/s  10 open  TTFT 203 ms  TPOT 20.0 ms  3 failed  0:20, 0:20 left");
    }

    [Fact]
    public void Line_OfAnUnboundedRun_HasNoBar()
    {
        var plan = new LoadPlan { Curve = LoadCurve.Constant(10) };

        ProgressLine.Text(plan, default, default, TimeSpan.FromHours(1.5), TimeSpan.FromSeconds(1))
            .ShouldBe("0 streams/s  0 tokens/s  0 open  0 failed  1:30:00");
    }
}
