namespace GrpcLlm.Server.Backends;

/// <summary>
/// Steele, Lea and Flood's SplitMix64: a counter with a step of 2^64 divided by the golden ratio, mixed by two
/// multiplications. Written out here because the same seed must give the same numbers on every machine and with every
/// version of .NET, which <see cref="Random"/> does not promise. Not for secrets.
/// </summary>
internal struct SplitMix64(long seed)
{
    private ulong _state = unchecked((ulong)seed);

    /// <summary>The next 64 bits.</summary>
    public ulong Next()
    {
        _state += 0x9E3779B97F4A7C15;
        ulong z = _state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>The next number from 0 up to but not including 1, a multiple of 2^-53.</summary>
    public double NextUnit() => (Next() >> 11) * (1.0 / (1UL << 53));
}
