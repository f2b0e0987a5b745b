using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>How keys and values are kept.</summary>
internal interface IStoredFormat
{
    /// <summary>Bytes of a number.</summary>
    static abstract int Bytes { get; }

    /// <summary>Reads lanes.</summary>
    static abstract T Read<T>(ref byte numbers, int index)
        where T : struct, ILanes<T>;

    /// <summary>Writes numbers with a distance between them.</summary>
    static abstract void Write(ReadOnlySpan<float> values, ref byte numbers, int index, int distance);
}

/// <summary>Single precision: exact.</summary>
internal readonly struct StoredSingle : IStoredFormat
{
    public static int Bytes => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Read<T>(ref byte numbers, int index)
        where T : struct, ILanes<T> => T.Load(ref Unsafe.Add(ref Unsafe.As<byte, float>(ref numbers), index));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Write(ReadOnlySpan<float> values, ref byte numbers, int index, int distance)
    {
        ref float target = ref Unsafe.Add(ref Unsafe.As<byte, float>(ref numbers), index);
        for (int i = 0; i < values.Length; i++) Unsafe.Add(ref target, i * distance) = values[i];
    }
}

/// <summary>Half precision: half the memory, 11 bits of each number.</summary>
internal readonly struct StoredHalf : IStoredFormat
{
    private const int Chunk = 128;

    public static int Bytes => sizeof(short);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Read<T>(ref byte numbers, int index)
        where T : struct, ILanes<T> => T.FromHalves(ref Unsafe.Add(ref Unsafe.As<byte, Half>(ref numbers), index));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Write(ReadOnlySpan<float> values, ref byte numbers, int index, int distance)
    {
        ref Half target = ref Unsafe.Add(ref Unsafe.As<byte, Half>(ref numbers), index);
        Span<Half> halves = stackalloc Half[Chunk];
        for (int start = 0; start < values.Length; start += Chunk)
        {
            ReadOnlySpan<float> part = values.Slice(start, Math.Min(Chunk, values.Length - start));
            TensorPrimitives.ConvertToHalf(part, halves);
            for (int i = 0; i < part.Length; i++) Unsafe.Add(ref target, (start + i) * distance) = halves[i];
        }
    }
}
