namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>
/// Some float32 numbers as one value, spread over registers as the processor likes it. Kernels compute with sixteen of
/// them at a time, and what they compute, in which order, does not depend on the registers: products are added with one
/// rounding, and sums of lanes go by halves. So every width gives the same bits.
/// </summary>
/// <typeparam name="TSelf">The implementing type.</typeparam>
internal interface ILanes<TSelf>
    where TSelf : struct, ILanes<TSelf>
{
    /// <summary>How many numbers.</summary>
    static abstract int Count { get; }

    /// <summary>Numbers from memory, at any alignment.</summary>
    static abstract TSelf Load(ref float source);

    /// <summary>Signed bytes as numbers.</summary>
    static abstract TSelf FromSBytes(ref sbyte source);

    /// <summary>Some bits of bytes as numbers.</summary>
    /// <param name="source">The bytes.</param>
    /// <param name="shift">Place of the lowest of the bits.</param>
    /// <param name="mask">The bits, after the shift.</param>
    static abstract TSelf FromBits(ref byte source, int shift, int mask);

    /// <summary>Half-precision numbers, subnormal ones, infinities and NaN included.</summary>
    static abstract TSelf FromHalves(ref Half source);

    /// <summary>One number in every lane.</summary>
    static abstract TSelf Broadcast(float value);

    /// <summary>Writes the numbers.</summary>
    static abstract void Store(TSelf value, ref float destination);

    /// <summary>Lane by lane.</summary>
    static abstract TSelf operator +(TSelf x, TSelf y);

    /// <summary>Lane by lane.</summary>
    static abstract TSelf operator -(TSelf x, TSelf y);

    /// <summary>Lane by lane.</summary>
    static abstract TSelf operator *(TSelf x, TSelf y);

    /// <summary>Lane by lane.</summary>
    static abstract TSelf operator /(TSelf x, TSelf y);

    /// <summary><c>x * y + z</c>, rounded once.</summary>
    static abstract TSelf MultiplyAdd(TSelf x, TSelf y, TSelf z);

    /// <summary>The smaller of each pair; <paramref name="x"/> where they cannot be compared.</summary>
    static abstract TSelf Min(TSelf x, TSelf y);

    /// <summary>The larger of each pair; <paramref name="x"/> where they cannot be compared.</summary>
    static abstract TSelf Max(TSelf x, TSelf y);

    /// <summary>Adds the lowest bits of each power, taken as an integer, to the exponent of each number.</summary>
    static abstract TSelf AddToExponent(TSelf value, TSelf power);

    /// <summary>The sum of the lanes: upper half to lower half, until one is left.</summary>
    static abstract float Sum(TSelf value);
}
