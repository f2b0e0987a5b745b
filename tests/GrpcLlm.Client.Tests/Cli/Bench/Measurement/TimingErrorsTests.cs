using GrpcLlm.Cli.Bench.Measurement;

namespace GrpcLlm.Client.Tests.Cli.Bench.Measurement;

public sealed class TimingErrorsTests
{
    [Fact]
    public void Check_AgainstASchedule_TellsWhatIsLateAndEarly()
    {
        var errors = new TimingErrors(TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(20));
        errors.Add(Given.Stream(sent: 50, ttft: 203, itl: 20, tokens: 5));
        errors.Add(Given.Stream(ttft: 199, itl: 21, tokens: 3));
        errors.Add(Given.Stream(ttft: 900, isWarmup: true));
        errors.Add(Given.Failure(tokens: 2));

        var check = errors.ToCheck()!;

        (check.TtftError.P50, check.TtftError.P99).ShouldBe((-1, 3));

        // Four tokens in time; one 1 ms and one 2 ms late, counted from the first.
        (check.TokenError.P50, check.TokenError.P90, check.TokenError.P99).ShouldBe((0, 2, 2));
    }

    [Fact]
    public void Check_WithoutAStream_IsNone() =>
        new TimingErrors(TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(20)).ToCheck().ShouldBeNull();
}
