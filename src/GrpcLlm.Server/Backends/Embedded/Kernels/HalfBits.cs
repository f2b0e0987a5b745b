using System.Runtime.CompilerServices;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>
/// Half to single precision by integer operations, since .NET offers no vector instruction for it. The bits of a half,
/// widened with its sign and shifted left by 13, have exponent and mantissa in their places.
/// </summary>
internal static class HalfBits
{
    /// <summary>Sign, exponent and mantissa after the shift; other bits are copies of the sign.</summary>
    public const int Kept = unchecked((int)0x8FFFE000);

    /// <summary>The exponent after the shift; all of it set means infinite, or not a number.</summary>
    public const int Exponent = 0x0F800000;

    /// <summary>Exponent of infinities and NaN in single precision.</summary>
    public const int Infinity = 0x7F800000;

    /// <summary>2^112, the difference of the two biases.</summary>
    public const float Factor = 5.192296858534828e33f;

    /// <summary>One number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToSingle(short half)
    {
        int bits = (half << 13) & Kept;
        float number = BitConverter.Int32BitsToSingle(bits) * Factor;
        return (bits & Exponent) == Exponent
            ? BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(number) | Infinity)
            : number;
    }
}
