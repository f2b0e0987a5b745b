namespace GrpcLlm.Server.Tests.Backends.Embedded.Fuzz;

/// <summary>The files that the target <c>gguf</c> of <c>loadtest/fuzz</c> begins with and makes of them are of use.</summary>
public sealed class GgufFuzzTests
{
    [Fact]
    public void Seeds_AreRight()
    {
        using var check = new GgufCheck();
        foreach (byte[] seed in GgufSeeds.All) check.Check(seed).ShouldBeNull();
    }

    [Fact]
    public void Mutator_SpoilsNeitherAllNorNothing()
    {
        const int cases = 400;
        using var check = new GgufCheck();

        int loaded = Enumerable.Range(1, cases).Count(seed => check.Check(GgufMutator.Next(new Random(seed))) is null);

        loaded.ShouldBeInRange(cases / 20, cases * 19 / 20);
    }
}
