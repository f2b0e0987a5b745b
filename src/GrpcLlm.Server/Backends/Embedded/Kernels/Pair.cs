using System.Runtime.CompilerServices;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>Twice as many lanes.</summary>
/// <typeparam name="T">Half of them.</typeparam>
/// <param name="low">The first half.</param>
/// <param name="high">The second half.</param>
internal readonly struct Pair<T>(T low, T high) : ILanes<Pair<T>>
    where T : struct, ILanes<T>
{
    private readonly T _low = low;
    private readonly T _high = high;

    public static int Count
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2 * T.Count;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> Load(ref float source) => new(T.Load(ref source), T.Load(ref Unsafe.Add(ref source, T.Count)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> FromSBytes(ref sbyte source) =>
        new(T.FromSBytes(ref source), T.FromSBytes(ref Unsafe.Add(ref source, T.Count)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> FromBits(ref byte source, int shift, int mask) =>
        new(T.FromBits(ref source, shift, mask), T.FromBits(ref Unsafe.Add(ref source, T.Count), shift, mask));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> FromHalves(ref Half source) =>
        new(T.FromHalves(ref source), T.FromHalves(ref Unsafe.Add(ref source, T.Count)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> Broadcast(float value)
    {
        var half = T.Broadcast(value);
        return new(half, half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Pair<T> value, ref float destination)
    {
        T.Store(value._low, ref destination);
        T.Store(value._high, ref Unsafe.Add(ref destination, T.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> operator +(Pair<T> x, Pair<T> y) => new(x._low + y._low, x._high + y._high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> operator -(Pair<T> x, Pair<T> y) => new(x._low - y._low, x._high - y._high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> operator *(Pair<T> x, Pair<T> y) => new(x._low * y._low, x._high * y._high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> operator /(Pair<T> x, Pair<T> y) => new(x._low / y._low, x._high / y._high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> MultiplyAdd(Pair<T> x, Pair<T> y, Pair<T> z) =>
        new(T.MultiplyAdd(x._low, y._low, z._low), T.MultiplyAdd(x._high, y._high, z._high));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> Min(Pair<T> x, Pair<T> y) => new(T.Min(x._low, y._low), T.Min(x._high, y._high));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> Max(Pair<T> x, Pair<T> y) => new(T.Max(x._low, y._low), T.Max(x._high, y._high));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair<T> AddToExponent(Pair<T> value, Pair<T> power) =>
        new(T.AddToExponent(value._low, power._low), T.AddToExponent(value._high, power._high));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Pair<T> value) => T.Sum(value._low + value._high);
}
