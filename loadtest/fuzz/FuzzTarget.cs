namespace GrpcLlm.Fuzz;

/// <summary>
/// Something that takes bytes from outside, and what must hold whatever they are. Not thread-safe: one run, one thread.
/// </summary>
public abstract class FuzzTarget
{
    /// <summary>Name on the command line, and of its folder in <c>corpus</c>.</summary>
    public abstract string Name { get; }

    /// <summary>Makes an input that depends on the random numbers and the corpus alone.</summary>
    /// <param name="random">Random numbers of this case.</param>
    /// <param name="corpus">Inputs to start from; may be empty.</param>
    public abstract byte[] Make(Random random, IReadOnlyList<byte[]> corpus);

    /// <summary>Checks an input. The same input is always checked in the same way.</summary>
    /// <exception cref="Exception">Anything: something does not hold.</exception>
    public abstract void Check(byte[] input);

    /// <summary>Most bytes that checking an input may allocate. Default: 4 MiB and 2,000 for each byte.</summary>
    public virtual long MaxAllocation(int inputLength) => (4 << 20) + (2_000L * inputLength);
}

/// <summary>Something that does not hold.</summary>
public sealed class FindingException(string message) : Exception(message)
{
    internal static void Unless(bool holds, string otherwise)
    {
        if (!holds) throw new FindingException(otherwise);
    }
}
