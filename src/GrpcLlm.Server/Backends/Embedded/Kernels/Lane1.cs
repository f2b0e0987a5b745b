namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>One number, for processors without vectors.</summary>
/// <param name="value">The number.</param>
internal readonly struct Lane1(float value) : ILanes<Lane1>
{
    private readonly float _value = value;

    public static int Count => 1;

    public static Lane1 Load(ref float source) => new(source);

    public static Lane1 FromSBytes(ref sbyte source) => new(source);

    public static Lane1 FromBits(ref byte source, int shift, int mask) => new((source >> shift) & mask);

    public static Lane1 FromHalves(ref Half source) => new((float)source);

    public static Lane1 Broadcast(float value) => new(value);

    public static void Store(Lane1 value, ref float destination) => destination = value._value;

    public static Lane1 operator +(Lane1 x, Lane1 y) => new(x._value + y._value);

    public static Lane1 operator -(Lane1 x, Lane1 y) => new(x._value - y._value);

    public static Lane1 operator *(Lane1 x, Lane1 y) => new(x._value * y._value);

    public static Lane1 operator /(Lane1 x, Lane1 y) => new(x._value / y._value);

    public static Lane1 MultiplyAdd(Lane1 x, Lane1 y, Lane1 z) =>
        new(MathF.FusedMultiplyAdd(x._value, y._value, z._value));

    public static Lane1 Min(Lane1 x, Lane1 y) => y._value < x._value ? y : x;

    public static Lane1 Max(Lane1 x, Lane1 y) => y._value > x._value ? y : x;

    public static Lane1 AddToExponent(Lane1 value, Lane1 power)
    {
        int bits = BitConverter.SingleToInt32Bits(power._value) << 23;
        return new(BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value._value) + bits));
    }

    public static float Sum(Lane1 value) => value._value;
}
