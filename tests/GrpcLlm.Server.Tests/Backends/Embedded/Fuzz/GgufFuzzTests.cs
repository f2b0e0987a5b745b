namespace GrpcLlm.Server.Tests.Backends.Embedded.Fuzz;

/// <summary>
/// Files that are spoilt at random: none crashes the reader, hangs it or makes it allocate beyond measure.
/// <c>GRPCLLM_GGUF_CASES</c> is the number of files, 2,500 by default; <c>GRPCLLM_GGUF_SEED</c> the first seed.
/// </summary>
public sealed class GgufFuzzTests(ITestOutputHelper output)
{
    [Fact]
    public void Seeds_AreRight()
    {
        using var check = new GgufCheck();
        foreach (byte[] seed in GgufSeeds.All) check.Check(seed).ShouldBeNull();
    }

    [Fact]
    public void Load_FilesSpoiltAtRandom_AreRefusedOrWork()
    {
        int cases = Setting("GRPCLLM_GGUF_CASES", 2_500);
        int first = Setting("GRPCLLM_GGUF_SEED", 1);
        using var check = new GgufCheck();
        int loaded = 0;
        for (int i = 0; i < cases; i++)
        {
            byte[] file = GgufMutator.Next(new Random(first + i));
            Should.NotThrow(() => loaded += check.Check(file) is null ? 1 : 0, $"seed {first + i}");
        }

        output.WriteLine($"{cases} files, of which {loaded} load");
        loaded.ShouldBeInRange(cases / 20, cases * 19 / 20); // or the mutator spoils too much, or nothing
    }

    private static int Setting(string name, int whenAbsent) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), out int value) ? value : whenAbsent;
}
