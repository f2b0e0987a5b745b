using System.Runtime.InteropServices;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Embedded.Kernels;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>Single kernels on every path, against arithmetic in double precision.</summary>
public sealed class KernelTests
{
    private static readonly KernelSet[] Paths =
        [KernelSet.Scalar, KernelSet.Vector128, KernelSet.Vector256, KernelSet.Vector512];

    public static TheoryData<int> Numbers => [0, 1, 2, 3];

    [Theory]
    [MemberData(nameof(Numbers))]
    public void Decode_EveryHalf_GivesItsValue(int path)
    {
        Half[] halves = [.. Enumerable.Range(0, 1 << 16).Select(bits => BitConverter.UInt16BitsToHalf((ushort)bits))];
        float[] values = new float[halves.Length];
        WithMatrix(GgufTensorType.F16, halves, 1, matrix => Paths[path].Decode(matrix, 0, ref values[0]));
        for (int i = 0; i < halves.Length; i++)
        {
            if (Half.IsNaN(halves[i])) values[i].ShouldBe(float.NaN);
            else BitConverter.SingleToInt32Bits(values[i]).ShouldBe(BitConverter.SingleToInt32Bits((float)halves[i]));
        }
    }

    [Theory]
    [MemberData(nameof(Numbers))]
    public void Multiply_AnyColumnsRowsAndCount_GivesTheProducts(int path)
    {
        var random = new Random(3);
        foreach ((int columns, int rows, int count) in (
            (int, int, int)[])[(1, 1, 1), (5, 3, 1), (33, 7, 2), (47, 9, 3), (64, 17, 4), (100, 8, 7)])
        {
            float[] weights = [.. Enumerable.Range(0, rows * columns).Select(_ => random.NextSingle() - 0.5f)];
            var inputs = new LaneBuffer(count, columns);
            var outputs = new LaneBuffer(count, rows);
            for (int i = 0; i < count; i++)
            {
                foreach (ref float value in inputs.Span(i)) value = random.NextSingle() - 0.5f;
            }

            float[] room = new float[Paths[path].RoomFor(columns, 1)];
            WithMatrix(GgufTensorType.F32, weights, rows, matrix =>
                Paths[path].Multiply(matrix, 0, rows, inputs, outputs, count, room));

            for (int i = 0; i < count; i++)
            {
                for (int row = 0; row < rows; row++)
                {
                    double expected = 0;
                    for (int j = 0; j < columns; j++)
                        expected += (double)weights[(row * columns) + j] * inputs.Span(i)[j];
                    ((double)outputs.Span(i)[row]).ShouldBe(expected, 1e-6);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Numbers))]
    public void SwiGlu_WholeRange_IsExactToAboutOneUnit(int path)
    {
        float[] x = [.. Enumerable.Range(-1600, 3200).Select(i => i / 20f)];
        float[] actual = [.. x];
        float[] ones = [.. x.Select(_ => 1f)];
        Paths[path].SwiGlu(ref actual[0], ref ones[0], x.Length);
        for (int i = 0; i < x.Length; i++)
        {
            double expected = x[i] / (1 + Math.Exp(-(double)x[i]));
            ((double)actual[i]).ShouldBe(expected, (Math.Abs(expected) * 4e-7) + 1e-35);
        }
    }

    [Theory]
    [MemberData(nameof(Numbers))]
    public void Normalize_PaddedVector_GivesRootMeanSquareOfItsLength(int path)
    {
        var x = new LaneBuffer(1, 40);
        float[] weight = new float[64];
        for (int i = 0; i < 40; i++) (x.Span(0)[i], weight[i]) = (i - 17, 2);
        var result = new LaneBuffer(1, 40);
        Paths[path].Normalize(ref x.Row(0), ref weight[0], 40, 1e-5f, ref result.Row(0));
        double scale = 1 / Math.Sqrt(Enumerable.Range(0, 40).Average(i => Math.Pow(i - 17, 2)) + 1e-5);
        for (int i = 0; i < 40; i++) ((double)result.Span(0)[i]).ShouldBe(2 * (i - 17) * scale, 1e-5);
    }

    private static void WithMatrix<T>(GgufTensorType type, T[] values, int rows, Action<WeightMatrix> use)
        where T : unmanaged
    {
        GCHandle pinned = GCHandle.Alloc(values, GCHandleType.Pinned);
        var tensor = new GgufTensor("test", type, values.Length / rows, rows, 0);
        use(new WeightMatrix(pinned.AddrOfPinnedObject(), tensor));
        pinned.Free();
    }
}
