namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>Random numbers of a seed. Stateless.</summary>
internal static class Seeds
{
    /// <summary>
    /// Random numbers that a seed fixes for good: a seeded <see cref="Random"/> keeps its algorithm between versions of .NET.
    /// </summary>
    public static Random RandomOf(long seed) => new(unchecked((int)(seed ^ (seed >> 32))));
}
