using GrpcLlm.Pages;

namespace GrpcLlm.Client.Tests.Pages;

public sealed class AxisTests
{
    [Theory]
    [InlineData(598, new[] { "0", "200", "400", "600 ms" })]
    [InlineData(1_120, new[] { "0", "0.5", "1.0", "1.5 s" })]
    [InlineData(0.3, new[] { "0", "100", "200", "300 µs" })]
    public void FromZero_OfTimes_EndsAtARoundNumberWithItsUnit(double max, string[] labels)
    {
        var axis = Axis.FromZero(max, AxisUnit.Time);

        axis.Ticks.Select(tick => tick.Label).ShouldBe(labels);
        axis.Ticks[0].At.ShouldBe(0);
        axis.Ticks[^1].At.ShouldBe(1);
        axis.At(axis.End).ShouldBe(1);
    }

    [Theory]
    [InlineData(2, new[] { "0", "1", "2" })]
    [InlineData(61_000, new[] { "0", "20", "40", "60", "80 k" })]
    [InlineData(0, new[] { "0", "1" })]
    public void FromZero_OfNumbers_CountsInWholeSteps(double max, string[] labels) =>
        Axis.FromZero(max, AxisUnit.Number).Ticks.Select(tick => tick.Label).ShouldBe(labels);

    [Fact]
    public void Percentiles_GiveEachNineTheSameRoom()
    {
        var axis = Axis.Percentiles(50_000);

        axis.Ticks.Select(tick => tick.Label).ShouldBe(["p50", "p90", "p99", "p99.9", "p99.99", "p99.999"]);
        (axis.At(0.99) - axis.At(0.9)).ShouldBe(axis.At(0.999) - axis.At(0.99), 1e-9);
        axis.At(0).ShouldBe(0);
        axis.At(1).ShouldBe(1);
        axis.At(1 - (0.5 / 50_000)).ShouldBe(1, 1e-9);
    }

    [Fact]
    public void Percentiles_OfFewValues_EndWhereOneOfThemIs() =>
        Axis.Percentiles(10).Ticks.Select(tick => tick.Label).ShouldBe(["p50", "p90"]);

    [Fact]
    public void Ratios_HaveNoChangeInTheMiddle()
    {
        var axis = Axis.Ratios(1.17);

        axis.At(1).ShouldBe(0.5, 1e-9);
        axis.At(1.2).ShouldBe(1, 1e-9);
        axis.At(1 / 1.2).ShouldBe(0, 1e-9);
        axis.Ticks[2].Label.ShouldBe("same");
    }

    [Fact]
    public void At_BeyondAnEnd_IsThatEnd()
    {
        var axis = Axis.FromZero(10, AxisUnit.Time);

        axis.At(-5).ShouldBe(0);
        axis.At(1e9).ShouldBe(1);
    }

    [Fact]
    public void UntilNow_EndsNow_WithMarksOfTheMinutesBefore()
    {
        var axis = Axis.UntilNow(TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(5));

        axis.Ticks.ShouldBe([new Tick(0, "\u221210 min"), new Tick(0.5, "\u22125"), new Tick(1, "now")]);
        axis.At(TimeSpan.FromMinutes(2.5).TotalMilliseconds).ShouldBe(0.25);
        axis.At(TimeSpan.FromMinutes(11).TotalMilliseconds).ShouldBe(1);
    }
}
