using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>Eight numbers in a register of 256 bits.</summary>
/// <param name="value">The numbers.</param>
internal readonly struct Lanes8(Vector256<float> value) : ILanes<Lanes8>
{
    private readonly Vector256<float> _value = value;

    public static int Count => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Load(ref float source) => new(Vector256.LoadUnsafe(ref source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 FromSBytes(ref sbyte source) => new(Vector256.ConvertToSingle(Widen(ref source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 FromBits(ref byte source, int shift, int mask) =>
        new(Vector256.ConvertToSingle(
            Vector256.ShiftRightLogical(Widen(ref Unsafe.As<byte, sbyte>(ref source)), shift) & Vector256.Create(mask)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 FromHalves(ref Half source)
    {
        // The exponent moves into its place, and a product mends its bias, also of subnormal numbers.
        Vector256<int> bits = (Widen(ref Unsafe.As<Half, short>(ref source)) << 13) & Vector256.Create(HalfBits.Kept);
        Vector256<int> exponent = Vector256.Create(HalfBits.Exponent);
        Vector256<int> infinite = Vector256.Equals(bits & exponent, exponent);
        Vector256<float> number = bits.AsSingle() * Vector256.Create(HalfBits.Factor);
        return new(number | (infinite & Vector256.Create(HalfBits.Infinity)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Broadcast(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Lanes8 value, ref float destination) => value._value.StoreUnsafe(ref destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 operator +(Lanes8 x, Lanes8 y) => new(x._value + y._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 operator -(Lanes8 x, Lanes8 y) => new(x._value - y._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 operator *(Lanes8 x, Lanes8 y) => new(x._value * y._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 operator /(Lanes8 x, Lanes8 y) => new(x._value / y._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 MultiplyAdd(Lanes8 x, Lanes8 y, Lanes8 z) =>
        new(Vector256.FusedMultiplyAdd(x._value, y._value, z._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Min(Lanes8 x, Lanes8 y) =>
        new(Vector256.ConditionalSelect(Vector256.LessThan(y._value, x._value), y._value, x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 Max(Lanes8 x, Lanes8 y) =>
        new(Vector256.ConditionalSelect(Vector256.GreaterThan(y._value, x._value), y._value, x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes8 AddToExponent(Lanes8 value, Lanes8 power) =>
        new((value._value.AsInt32() + (power._value.AsInt32() << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes8 value) =>
        Lanes4.Sum(new Lanes4(value._value.GetLower() + value._value.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Widen(ref sbyte source)
    {
        Vector128<sbyte> bytes = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<long>(ref Unsafe.As<sbyte, byte>(ref source))).AsSByte();
        return Avx2.IsSupported ? Avx2.ConvertToVector256Int32(bytes) : Widen(Vector128.WidenLower(bytes));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Widen(ref short source)
    {
        Vector128<short> words = Vector128.LoadUnsafe(ref source);
        return Avx2.IsSupported ? Avx2.ConvertToVector256Int32(words) : Widen(words);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Widen(Vector128<short> words) =>
        Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words));
}
