using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Client.Tests.Cli.Bench.Reports;

public sealed class RunVerdictTests
{
    [Theory]
    [InlineData(0.99, 0.99, 0.01, VerdictKind.Met)]
    [InlineData(0.98, 0.99, 0.01, VerdictKind.Missed)]
    [InlineData(0.99, null, 0.01, VerdictKind.Met)]
    [InlineData(0.99, null, 0.001, VerdictKind.Missed)]
    [InlineData(0.5, null, null, VerdictKind.None)]
    [InlineData(null, null, 0.01, VerdictKind.Met)]
    [InlineData(null, null, null, VerdictKind.None)]
    public void Run_IsJudgedByWhatWasRequired(double? goodput, double? required, double? budget, object expected) =>
        RunVerdict.Of(Run(succeeded: 99, failed: 1) with
        {
            Goodput = goodput is { } share ? new Goodput { Share = share, RequestsPerSecond = 1, Required = required } : null,
            ErrorBudget = budget,
        }).Kind.ShouldBe((VerdictKind)expected);

    [Fact]
    public void NoMeasuredStream_MissesWhatWasRequired() =>
        RunVerdict.Of(Run(succeeded: 0, failed: 0) with { ErrorBudget = 1 }).Kind.ShouldBe(VerdictKind.Missed);

    private static BenchRun Run(long succeeded, long failed) =>
        SyntheticBench.Run(12) with { Streams = new StreamCounts { Succeeded = succeeded, Failed = failed } };
}
