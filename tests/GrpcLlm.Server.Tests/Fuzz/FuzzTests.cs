using GrpcLlm.Fuzz;

namespace GrpcLlm.Server.Tests.Fuzz;

/// <summary>The targets of <c>loadtest/fuzz</c> in short, with fixed seeds: the corpus, then some thousand cases each.</summary>
public sealed class FuzzTests
{
    private const int Seed = 20_260_101;

    public static TheoryData<string> Targets => [.. FuzzTargets.Create().Select(static target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public async Task Target_WhateverItIsGiven_Holds(string name)
    {
        // Schemas are compiled twice each, and their automata run.
        var cases = name == "schema" ? 600 : 2_000;
        var target = FuzzTargets.Create().Single(target => target.Name == name);

        var result = await FuzzRun.RunAsync(target, new FuzzPlan(Seed, cases));

        (result.Failure is { } failure
            ? $"case {failure.Case} of seed {Seed} ({failure.Input.Length} bytes: {Convert.ToBase64String(failure.Input)}): {failure.Problem}" : "").ShouldBeEmpty();
        result.Cases.ShouldBe(cases);
    }

    [Fact]
    public async Task Run_SameSeed_MakesTheSameCases()
    {
        var first = await FuzzRun.RunAsync(new Recorder(), new FuzzPlan(7, Cases: 50));
        var again = await FuzzRun.RunAsync(new Recorder(failsAt: 20), new FuzzPlan(7, Cases: 50));
        var alone = await FuzzRun.RunAsync(new Recorder(failsAt: 1), new FuzzPlan(7, Cases: 1, FirstCase: 19));

        first.Failure.ShouldBeNull();
        first.Cases.ShouldBe(50);
        again.Failure.ShouldNotBeNull().Case.ShouldBe("19");
        alone.Failure.ShouldNotBeNull().Input.ShouldBe(again.Failure.Input);
        alone.Failure.Problem.ShouldContain(nameof(FindingException));
    }

    [Fact]
    public async Task Run_CheckThatAllocatesWithoutBound_Fails() =>
        (await FuzzRun.RunAsync(new Recorder(allocates: 1 << 20), new FuzzPlan(7, Cases: 1))).Failure.ShouldNotBeNull().Problem.ShouldContain("allocated");

    private sealed class Recorder(int failsAt = 0, int allocates = 0) : FuzzTarget
    {
        private int _checked;

        public override string Name => "recorder";

        public override byte[] Make(Random random, IReadOnlyList<byte[]> corpus)
        {
            var input = new byte[8];
            random.NextBytes(input);
            return input;
        }

        public override long MaxAllocation(int inputLength) => allocates > 0 ? allocates / 2 : base.MaxAllocation(inputLength);

        public override void Check(byte[] input)
        {
            if (++_checked == failsAt) throw new FindingException("found");
            if (allocates > 0) GC.KeepAlive(new byte[allocates]);
        }
    }
}
