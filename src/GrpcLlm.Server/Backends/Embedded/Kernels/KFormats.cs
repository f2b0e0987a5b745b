using System.Runtime.CompilerServices;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>
/// Q4_K: superblocks of 256 values in 8 groups of 32, each with a scale and a minimum of 6 bits, which are counted in
/// halves of the superblock. A value is <c>scale * q - minimum</c>, q of 4 bits.
/// </summary>
internal readonly struct Q4KFormat : IWeightFormat
{
    private const int Groups = 8;
    private const int ScaleBytes = 12;
    private const int BlockBytes = 2 + 2 + ScaleBytes + 128;

    public static bool IsPlain => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (T First, T Second) Read<T>(ref byte row, int unit)
        where T : struct, ILanes<T>
    {
        (int superblock, int group) = ((int)((uint)unit / Groups), (int)((uint)unit % Groups));
        ref byte block = ref Unsafe.Add(ref row, (nint)superblock * BlockBytes);
        ref byte packed = ref Unsafe.Add(ref block, 4);
        int scale, minimum;
        if (group < 4)
        {
            scale = Unsafe.Add(ref packed, group) & 63;
            minimum = Unsafe.Add(ref packed, group + 4) & 63;
        }
        else
        {
            // The upper two bits of the last four are the spare ones of the first four.
            int low = Unsafe.Add(ref packed, group + 4);
            scale = (low & 0xF) | (Unsafe.Add(ref packed, group - 4) >> 6 << 4);
            minimum = (low >> 4) | (Unsafe.Add(ref packed, group) >> 6 << 4);
        }

        var factor = T.Broadcast(HalfBits.ToSingle(Unsafe.ReadUnaligned<short>(ref block)) * scale);
        var least = T.Broadcast(
            HalfBits.ToSingle(Unsafe.ReadUnaligned<short>(ref Unsafe.Add(ref block, 2))) * minimum);

        // Two groups share 32 bytes: one the lower, one the upper bits.
        ref byte quants = ref Unsafe.Add(ref packed, ScaleBytes + (group / 2 * 32));
        int shift = group % 2 * 4;
        return ((T.FromBits(ref quants, shift, 0xF) * factor) - least,
            (T.FromBits(ref Unsafe.Add(ref quants, T.Count), shift, 0xF) * factor) - least);
    }
}

/// <summary>
/// Q6_K: superblocks of 256 values in 16 groups of 16, each with a scale of a signed byte, counted in a half of the
/// superblock. A value is <c>scale * (q - 32)</c>, q of 6 bits.
/// </summary>
internal readonly struct Q6KFormat : IWeightFormat
{
    private const int LowBytes = 128;
    private const int HighBytes = 64;
    private const int ScaleBytes = 16;
    private const int BlockBytes = LowBytes + HighBytes + ScaleBytes + 2;

    public static bool IsPlain => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (T First, T Second) Read<T>(ref byte row, int unit)
        where T : struct, ILanes<T>
    {
        (int superblock, int part) = ((int)((uint)unit / 8), (int)((uint)unit % 8));
        ref byte block = ref Unsafe.Add(ref row, (nint)superblock * BlockBytes);

        // Each half of a superblock has four units: two in the lower bits of 64 bytes, two in the upper ones, and 32
        // bytes with two further bits for each of the four.
        (int half, int quarter) = (part / 4, part % 4);
        ref byte low = ref Unsafe.Add(ref block, (half * 64) + (quarter % 2 * 32));
        ref byte high = ref Unsafe.Add(ref block, LowBytes + (half * 32));
        ref byte scales = ref Unsafe.Add(ref block, LowBytes + HighBytes + (part * 2));
        float unitScale = HalfBits.ToSingle(
            Unsafe.ReadUnaligned<short>(ref Unsafe.Add(ref block, LowBytes + HighBytes + ScaleBytes)));
        return (Values<T>(ref low, ref high, quarter, unitScale * (sbyte)scales),
            Values<T>(
                ref Unsafe.Add(ref low, T.Count), ref Unsafe.Add(ref high, T.Count), quarter,
                unitScale * (sbyte)Unsafe.Add(ref scales, 1)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Values<T>(ref byte low, ref byte high, int quarter, float scale)
        where T : struct, ILanes<T>
    {
        T quants = T.MultiplyAdd(
            T.FromBits(ref high, quarter * 2, 3), T.Broadcast(16), T.FromBits(ref low, quarter / 2 * 4, 0xF));
        return (quants - T.Broadcast(32)) * T.Broadcast(scale);
    }
}
