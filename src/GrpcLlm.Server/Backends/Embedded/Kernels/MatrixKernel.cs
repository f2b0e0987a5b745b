using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>
/// Dot products of rows of weights with vectors. Each product is summed in sixteen lanes along the row, and the lanes by
/// halves, whichever way it is reached: alone, weights are converted in registers; in company, once for all vectors.
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

    /// <summary>Floats that <see cref="Multiply"/> needs as room, for a matrix with so many columns.</summary>
    public static int RoomFor(int columns) => RowsAtOnce * LaneBuffer.Padded(columns);

    /// <summary>Converts one row.</summary>
    /// <param name="matrix">The weights.</param>
    /// <param name="row">Number of the row.</param>
    /// <param name="values">Where they go: the columns, padded to whole units with zeros.</param>
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
    public static void Multiply(
        WeightMatrix matrix, int start, int end, LaneBuffer inputs, LaneBuffer outputs, int count, float[] room)
    {
        if (count == 1)
        {
            ref float output = ref outputs.Row(0);
            for (int row = start; row < end; row += 2)
            {
                int next = Math.Min(row + 1, end - 1);
                (float x, float y) = DotBoth(matrix, row, next, ref inputs.Row(0));
                Unsafe.Add(ref output, next) = y;
                Unsafe.Add(ref output, row) = x;
            }

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

    private static (float X, float Y) DotBoth(WeightMatrix matrix, int row, int next, ref float input)
    {
        ref byte x = ref matrix.Row(row);
        ref byte y = ref matrix.Row(next);
        T sumX = T.Broadcast(0), sumY = T.Broadcast(0);
        int units = matrix.Columns / IWeightFormat.Unit;
        for (int unit = 0; unit < units; unit++)
        {
            (T firstX, T secondX) = TFormat.Read<T>(ref x, unit);
            (T firstY, T secondY) = TFormat.Read<T>(ref y, unit);
            T values = T.Load(ref input);
            sumX = T.MultiplyAdd(firstX, values, sumX);
            sumY = T.MultiplyAdd(firstY, values, sumY);
            values = T.Load(ref Unsafe.Add(ref input, Lanes));
            sumX = T.MultiplyAdd(secondX, values, sumX);
            sumY = T.MultiplyAdd(secondY, values, sumY);
            input = ref Unsafe.Add(ref input, IWeightFormat.Unit);
        }

        if (matrix.Columns % IWeightFormat.Unit != 0)
        {
            (T first, T second) = ReadRest(matrix, ref x);
            sumX = T.MultiplyAdd(second, T.Load(ref Unsafe.Add(ref input, Lanes)), T.MultiplyAdd(first, T.Load(ref input), sumX));
            (first, second) = ReadRest(matrix, ref y);
            sumY = T.MultiplyAdd(second, T.Load(ref Unsafe.Add(ref input, Lanes)), T.MultiplyAdd(first, T.Load(ref input), sumY));
        }

        return (T.Sum(sumX), T.Sum(sumY));
    }

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
