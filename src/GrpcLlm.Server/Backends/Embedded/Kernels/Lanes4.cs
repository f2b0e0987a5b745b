using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>Four numbers in a register of 128 bits.</summary>
/// <param name="value">The numbers.</param>
internal readonly struct Lanes4(Vector128<float> value) : ILanes<Lanes4>
{
    private readonly Vector128<float> _value = value;

    public static int Count => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Load(ref float source) => new(Vector128.LoadUnsafe(ref source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 FromSBytes(ref sbyte source) => new(Vector128.ConvertToSingle(Widen(ref source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 FromBits(ref byte source, int shift, int mask) =>
        new(Vector128.ConvertToSingle(
            Vector128.ShiftRightLogical(Widen(ref Unsafe.As<byte, sbyte>(ref source)), shift) & Vector128.Create(mask)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 FromHalves(ref Half source)
    {
        // The exponent moves into its place, and a product mends its bias, also of subnormal numbers.
        Vector128<int> bits = (Widen(ref Unsafe.As<Half, short>(ref source)) << 13) & Vector128.Create(HalfBits.Kept);
        Vector128<int> exponent = Vector128.Create(HalfBits.Exponent);
        Vector128<int> infinite = Vector128.Equals(bits & exponent, exponent);
        Vector128<float> number = bits.AsSingle() * Vector128.Create(HalfBits.Factor);
        return new(number | (infinite & Vector128.Create(HalfBits.Infinity)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Broadcast(float value) => new(Vector128.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Lanes4 value, ref float destination) => value._value.StoreUnsafe(ref destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 operator +(Lanes4 x, Lanes4 y) => new(x._value + y._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 operator -(Lanes4 x, Lanes4 y) => new(x._value - y._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 operator *(Lanes4 x, Lanes4 y) => new(x._value * y._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 operator /(Lanes4 x, Lanes4 y) => new(x._value / y._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 MultiplyAdd(Lanes4 x, Lanes4 y, Lanes4 z) =>
        new(Vector128.FusedMultiplyAdd(x._value, y._value, z._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Min(Lanes4 x, Lanes4 y) =>
        new(Vector128.ConditionalSelect(Vector128.LessThan(y._value, x._value), y._value, x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 Max(Lanes4 x, Lanes4 y) =>
        new(Vector128.ConditionalSelect(Vector128.GreaterThan(y._value, x._value), y._value, x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes4 AddToExponent(Lanes4 value, Lanes4 power) =>
        new((value._value.AsInt32() + (power._value.AsInt32() << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes4 value)
    {
        Vector128<float> halves = value._value + Vector128.Shuffle(value._value, Vector128.Create(2, 3, 0, 1));
        return halves.ToScalar() + halves.GetElement(1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Widen(ref sbyte source)
    {
        Vector128<sbyte> bytes = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<int>(ref Unsafe.As<sbyte, byte>(ref source))).AsSByte();
        return Sse41.IsSupported ? Sse41.ConvertToVector128Int32(bytes) : Vector128.WidenLower(Vector128.WidenLower(bytes));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Widen(ref short source)
    {
        Vector128<short> words = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<long>(ref Unsafe.As<short, byte>(ref source))).AsInt16();
        return Sse41.IsSupported ? Sse41.ConvertToVector128Int32(words) : Vector128.WidenLower(words);
    }
}
