using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>Sixteen numbers in a register of 512 bits.</summary>
/// <param name="value">The numbers.</param>
internal readonly struct Lanes16(Vector512<float> value) : ILanes<Lanes16>
{
    private readonly Vector512<float> _value = value;

    public static int Count => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Load(ref float source) => new(Vector512.LoadUnsafe(ref source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 FromSBytes(ref sbyte source) => new(Vector512.ConvertToSingle(Widen(ref source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 FromBits(ref byte source, int shift, int mask) =>
        new(Vector512.ConvertToSingle(
            Vector512.ShiftRightLogical(Widen(ref Unsafe.As<byte, sbyte>(ref source)), shift) & Vector512.Create(mask)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 FromHalves(ref Half source)
    {
        // The exponent moves into its place, and a product mends its bias, also of subnormal numbers.
        Vector512<int> bits = (Widen(ref Unsafe.As<Half, short>(ref source)) << 13) & Vector512.Create(HalfBits.Kept);
        Vector512<int> exponent = Vector512.Create(HalfBits.Exponent);
        Vector512<int> infinite = Vector512.Equals(bits & exponent, exponent);
        Vector512<float> number = bits.AsSingle() * Vector512.Create(HalfBits.Factor);
        return new(number | (infinite & Vector512.Create(HalfBits.Infinity)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Broadcast(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Lanes16 value, ref float destination) => value._value.StoreUnsafe(ref destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 operator +(Lanes16 x, Lanes16 y) => new(x._value + y._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 operator -(Lanes16 x, Lanes16 y) => new(x._value - y._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 operator *(Lanes16 x, Lanes16 y) => new(x._value * y._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 operator /(Lanes16 x, Lanes16 y) => new(x._value / y._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 MultiplyAdd(Lanes16 x, Lanes16 y, Lanes16 z) =>
        new(Vector512.FusedMultiplyAdd(x._value, y._value, z._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Min(Lanes16 x, Lanes16 y) =>
        new(Vector512.ConditionalSelect(Vector512.LessThan(y._value, x._value), y._value, x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 Max(Lanes16 x, Lanes16 y) =>
        new(Vector512.ConditionalSelect(Vector512.GreaterThan(y._value, x._value), y._value, x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes16 AddToExponent(Lanes16 value, Lanes16 power) =>
        new((value._value.AsInt32() + (power._value.AsInt32() << 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes16 value) =>
        Lanes8.Sum(new Lanes8(value._value.GetLower() + value._value.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Widen(ref sbyte source)
    {
        Vector128<sbyte> bytes = Vector128.LoadUnsafe(ref source);
        return Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(bytes)
            : Widen(Vector256.Create(Vector128.WidenLower(bytes), Vector128.WidenUpper(bytes)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Widen(ref short source)
    {
        Vector256<short> words = Vector256.LoadUnsafe(ref source);
        return Avx512F.IsSupported ? Avx512F.ConvertToVector512Int32(words) : Widen(words);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Widen(Vector256<short> words) =>
        Vector512.Create(Vector256.WidenLower(words), Vector256.WidenUpper(words));
}
