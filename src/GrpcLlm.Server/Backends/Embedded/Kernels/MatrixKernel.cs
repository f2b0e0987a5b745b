using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>
/// Dot products of rows of weights with vectors. Each product is summed in sixteen lanes along the row, and the lanes by
/// halves, whichever way it is reached: alone, weights are converted in registers if that is quick; in company, once for
/// all vectors.
/// </summary>
/// <typeparam name="T">Sixteen lanes.</typeparam>
/// <typeparam name="TFormat">How the weights lie.</typeparam>
internal static class MatrixKernel<T, TFormat>
    where T : struct, ILanes<T>
    where TFormat : struct, IWeightFormat
{
    // Rows converted before the vectors are gone through: vectors beyond the nearest cache are fetched once for all.
    private const int RowsAtOnce = 8;

    private const int Lanes = 16;
    private const int CacheLine = 64;

    // Bytes between what is computed with and what is fetched: some hundred nanoseconds.
    private const int LeastAhead = 4096;

    /// <summary>Floats that <see cref="Multiply"/> needs as room, for a matrix with so many columns.</summary>
    public static int RoomFor(int columns) => RowsAtOnce * LaneBuffer.Padded(columns);

    /// <summary>Converts one row.</summary>
    /// <param name="matrix">The weights.</param>
    /// <param name="row">Number of the row.</param>
    /// <param name="values">Where they go: the columns, padded to whole units with zeros.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Decode(WeightMatrix matrix, int row, ref float values)
    {
        ref byte weights = ref matrix.Row(row);
        int units = matrix.Columns / IWeightFormat.Unit;
        for (int unit = 0; unit < units; unit++)
        {
            (T first, T second) = TFormat.Read<T>(ref weights, unit);
            T.Store(first, ref Unsafe.Add(ref values, unit * IWeightFormat.Unit));
            T.Store(second, ref Unsafe.Add(ref values, (unit * IWeightFormat.Unit) + Lanes));
        }

        if (matrix.Columns % IWeightFormat.Unit == 0) return;
        (T one, T two) = ReadRest(matrix, ref weights);
        T.Store(one, ref Unsafe.Add(ref values, units * IWeightFormat.Unit));
        T.Store(two, ref Unsafe.Add(ref values, (units * IWeightFormat.Unit) + Lanes));
    }

    /// <summary>For each vector, its products with some rows.</summary>
    /// <param name="matrix">The weights.</param>
    /// <param name="start">First row.</param>
    /// <param name="end">Row after the last.</param>
    /// <param name="inputs">The vectors, each padded to whole units with zeros.</param>
    /// <param name="outputs">Where products go, one for each row of the matrix.</param>
    /// <param name="count">Number of vectors.</param>
    /// <param name="room">As <see cref="RoomFor"/> says.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(
        WeightMatrix matrix, int start, int end, LaneBuffer inputs, LaneBuffer outputs, int count, float[] room)
    {
        if (count == 1 && TFormat.IsPlain)
        {
            ref float output = ref outputs.Row(0);
            for (int row = start; row < end; row += 4) DotFour(matrix, row, end - 1, ref inputs.Row(0), ref output);
            return;
        }

        int length = LaneBuffer.Padded(matrix.Columns);
        ref float converted = ref MemoryMarshal.GetArrayDataReference(room);
        for (int first = start; first < end; first += RowsAtOnce)
        {
            int rows = Math.Min(RowsAtOnce, end - first);
            for (int i = 0; i < rows; i++) Decode(matrix, first + i, ref Unsafe.Add(ref converted, i * length));
            int input = 0;
            for (; input + 3 <= count; input += 3)
            {
                for (int i = 0; i < rows; i += 2)
                    DotTriple(ref converted, length, i, Math.Min(i + 1, rows - 1), first, inputs, outputs, input);
            }

            for (; input < count; input++)
            {
                for (int i = 0; i < rows; i += 2)
                    DotSingle(ref converted, length, i, Math.Min(i + 1, rows - 1), first, inputs, outputs, input);
            }
        }
    }

    // Four rows at once keep the units busy while sums wait for each other. Behind the last row it is repeated.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void DotFour(WeightMatrix matrix, int row, int last, ref float input, ref float output)
    {
        (int rowB, int rowC, int rowD) = (Math.Min(row + 1, last), Math.Min(row + 2, last), Math.Min(row + 3, last));
        ref byte a = ref matrix.Row(row);
        ref byte b = ref matrix.Row(rowB);
        ref byte c = ref matrix.Row(rowC);
        ref byte d = ref matrix.Row(rowD);
        T sumA = T.Broadcast(0), sumB = sumA, sumC = sumA, sumD = sumA;
        int units = matrix.Columns / IWeightFormat.Unit;
        ref byte ahead = ref Unsafe.Add(ref a, Math.Max(4 * matrix.RowBytes, LeastAhead));
        int step = 4 * matrix.RowBytes / Math.Max(units, 1);
        for (int unit = 0; unit < units; unit++)
        {
            Prefetch(ref ahead, step);
            ahead = ref Unsafe.Add(ref ahead, step);
            T low = T.Load(ref input);
            T high = T.Load(ref Unsafe.Add(ref input, Lanes));
            sumA = Add(TFormat.Read<T>(ref a, unit), low, high, sumA);
            sumB = Add(TFormat.Read<T>(ref b, unit), low, high, sumB);
            sumC = Add(TFormat.Read<T>(ref c, unit), low, high, sumC);
            sumD = Add(TFormat.Read<T>(ref d, unit), low, high, sumD);
            input = ref Unsafe.Add(ref input, IWeightFormat.Unit);
        }

        if (matrix.Columns % IWeightFormat.Unit != 0)
        {
            T low = T.Load(ref input);
            T high = T.Load(ref Unsafe.Add(ref input, Lanes));
            sumA = Add(ReadRest(matrix, ref a), low, high, sumA);
            sumB = Add(ReadRest(matrix, ref b), low, high, sumB);
            sumC = Add(ReadRest(matrix, ref c), low, high, sumC);
            sumD = Add(ReadRest(matrix, ref d), low, high, sumD);
        }

        Unsafe.Add(ref output, rowD) = T.Sum(sumD);
        Unsafe.Add(ref output, rowC) = T.Sum(sumC);
        Unsafe.Add(ref output, rowB) = T.Sum(sumB);
        Unsafe.Add(ref output, row) = T.Sum(sumA);
    }

    // Four short rows at once are no pattern that the processor foresees; wide values keep it busy long enough by
    // themselves. Memory behind the last row is named, not read.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Prefetch(ref byte start, int length)
    {
        if (!Sse.IsSupported || length > 4 * CacheLine) return;
        byte* address = (byte*)Unsafe.AsPointer(ref start);
        for (int line = 0; line < length; line += CacheLine) Sse.Prefetch0(address + line);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Add((T First, T Second) weights, T low, T high, T sum) =>
        T.MultiplyAdd(weights.Second, high, T.MultiplyAdd(weights.First, low, sum));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void DotTriple(
        ref float converted, int length, int row, int next, int first, LaneBuffer inputs, LaneBuffer outputs, int input)
    {
        ref float x = ref Unsafe.Add(ref converted, row * length);
        ref float y = ref Unsafe.Add(ref converted, next * length);
        ref float a = ref inputs.Row(input);
        ref float b = ref inputs.Row(input + 1);
        ref float c = ref inputs.Row(input + 2);
        T xa = T.Broadcast(0), xb = xa, xc = xa, ya = xa, yb = xa, yc = xa;
        for (nint i = 0; i < length; i += Lanes)
        {
            T wx = T.Load(ref Unsafe.Add(ref x, i));
            T wy = T.Load(ref Unsafe.Add(ref y, i));
            T values = T.Load(ref Unsafe.Add(ref a, i));
            xa = T.MultiplyAdd(wx, values, xa);
            ya = T.MultiplyAdd(wy, values, ya);
            values = T.Load(ref Unsafe.Add(ref b, i));
            xb = T.MultiplyAdd(wx, values, xb);
            yb = T.MultiplyAdd(wy, values, yb);
            values = T.Load(ref Unsafe.Add(ref c, i));
            xc = T.MultiplyAdd(wx, values, xc);
            yc = T.MultiplyAdd(wy, values, yc);
        }

        ref float output = ref outputs.Row(input);
        (Unsafe.Add(ref output, first + next), Unsafe.Add(ref output, first + row)) = (T.Sum(ya), T.Sum(xa));
        output = ref outputs.Row(input + 1);
        (Unsafe.Add(ref output, first + next), Unsafe.Add(ref output, first + row)) = (T.Sum(yb), T.Sum(xb));
        output = ref outputs.Row(input + 2);
        (Unsafe.Add(ref output, first + next), Unsafe.Add(ref output, first + row)) = (T.Sum(yc), T.Sum(xc));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void DotSingle(
        ref float converted, int length, int row, int next, int first, LaneBuffer inputs, LaneBuffer outputs, int input)
    {
        ref float x = ref Unsafe.Add(ref converted, row * length);
        ref float y = ref Unsafe.Add(ref converted, next * length);
        ref float a = ref inputs.Row(input);
        T xa = T.Broadcast(0), ya = xa;
        for (nint i = 0; i < length; i += Lanes)
        {
            T values = T.Load(ref Unsafe.Add(ref a, i));
            xa = T.MultiplyAdd(T.Load(ref Unsafe.Add(ref x, i)), values, xa);
            ya = T.MultiplyAdd(T.Load(ref Unsafe.Add(ref y, i)), values, ya);
        }

        ref float output = ref outputs.Row(input);
        (Unsafe.Add(ref output, first + next), Unsafe.Add(ref output, first + row)) = (T.Sum(ya), T.Sum(xa));
    }

    // Formats of single values allow rows that are not whole units; the rest is read from a copy with zeros behind it.
    private static (T First, T Second) ReadRest(WeightMatrix matrix, ref byte weights)
    {
        Span<byte> rest = stackalloc byte[IWeightFormat.Unit * sizeof(float)];
        rest.Clear();
        int valueBytes = matrix.RowBytes / matrix.Columns;
        int start = matrix.Columns / IWeightFormat.Unit * IWeightFormat.Unit * valueBytes;
        MemoryMarshal.CreateReadOnlySpan(ref Unsafe.Add(ref weights, start), matrix.RowBytes - start).CopyTo(rest);
        return TFormat.Read<T>(ref MemoryMarshal.GetReference(rest), 0);
    }
}
