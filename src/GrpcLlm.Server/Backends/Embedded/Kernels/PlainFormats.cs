using System.Runtime.CompilerServices;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>Rows of float32.</summary>
internal readonly struct F32Format : IWeightFormat
{
    public static bool IsPlain => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (T First, T Second) Read<T>(ref byte row, int unit)
        where T : struct, ILanes<T>
    {
        ref float values = ref Unsafe.Add(ref Unsafe.As<byte, float>(ref row), unit * IWeightFormat.Unit);
        return (T.Load(ref values), T.Load(ref Unsafe.Add(ref values, T.Count)));
    }
}

/// <summary>Rows of half precision.</summary>
internal readonly struct F16Format : IWeightFormat
{
    public static bool IsPlain => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (T First, T Second) Read<T>(ref byte row, int unit)
        where T : struct, ILanes<T>
    {
        ref Half values = ref Unsafe.Add(ref Unsafe.As<byte, Half>(ref row), unit * IWeightFormat.Unit);
        return (T.FromHalves(ref values), T.FromHalves(ref Unsafe.Add(ref values, T.Count)));
    }
}

/// <summary>Blocks of 32 values: a half-precision scale and 32 signed bytes; a value is their product.</summary>
internal readonly struct Q8Format : IWeightFormat
{
    private const int BlockBytes = 2 + 32;

    public static bool IsPlain => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (T First, T Second) Read<T>(ref byte row, int unit)
        where T : struct, ILanes<T>
    {
        ref byte block = ref Unsafe.Add(ref row, (nint)unit * BlockBytes);
        var scale = T.Broadcast(HalfBits.ToSingle(Unsafe.ReadUnaligned<short>(ref block)));
        ref sbyte quants = ref Unsafe.As<byte, sbyte>(ref Unsafe.Add(ref block, 2));
        return (T.FromSBytes(ref quants) * scale, T.FromSBytes(ref Unsafe.Add(ref quants, T.Count)) * scale);
    }
}
