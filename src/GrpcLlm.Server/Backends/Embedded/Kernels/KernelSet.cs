namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>
/// The arithmetic of the forward pass for one width of vectors. All widths give the same bits, also on a processor that
/// has to emulate them; they differ in speed only. Immutable.
/// </summary>
internal abstract class KernelSet
{
    /// <summary>No vectors.</summary>
    public static KernelSet Scalar { get; } = new LaneKernels<Pair<Pair<Pair<Pair<Lane1>>>>>("scalar");

    /// <summary>Vectors of 128 bits: Arm, and x64 before AVX2.</summary>
    public static KernelSet Vector128 { get; } = new LaneKernels<Pair<Pair<Lanes4>>>("vector128");

    /// <summary>Vectors of 256 bits: AVX2.</summary>
    public static KernelSet Vector256 { get; } = new LaneKernels<Pair<Lanes8>>("vector256");

    /// <summary>Vectors of 512 bits: AVX-512.</summary>
    public static KernelSet Vector512 { get; } = new LaneKernels<Lanes16>("vector512");

    /// <summary>The fastest that this processor does in hardware.</summary>
    public static KernelSet Best { get; } =
        System.Runtime.Intrinsics.Vector512.IsHardwareAccelerated ? Vector512
        : System.Runtime.Intrinsics.Vector256.IsHardwareAccelerated ? Vector256
        : System.Runtime.Intrinsics.Vector128.IsHardwareAccelerated ? Vector128
        : Scalar;

    /// <summary>Name for logs.</summary>
    public abstract string Name { get; }

    /// <summary>Floats of room that a thread needs.</summary>
    /// <param name="columns">Most columns of a matrix.</param>
    /// <param name="positions">Most positions of a stream.</param>
    public abstract int RoomFor(int columns, int positions);

    /// <summary>Converts one row of a matrix into a vector.</summary>
    public abstract void Decode(WeightMatrix matrix, int row, ref float values);

    /// <summary>For each vector, its products with the rows from <paramref name="start"/> to before <paramref name="end"/>.</summary>
    public abstract void Multiply(
        WeightMatrix matrix, int start, int end, LaneBuffer inputs, LaneBuffer outputs, int count, float[] room);

    /// <summary>RMSNorm of one vector.</summary>
    public abstract void Normalize(ref float x, ref float weight, int length, float epsilon, ref float result);

    /// <summary><c>x = x + y</c>, whole lanes.</summary>
    public abstract void Add(ref float x, ref float y, int length);

    /// <summary><c>gate = SiLU(gate) * up</c>, whole lanes.</summary>
    public abstract void SwiGlu(ref float gate, ref float up, int length);

    /// <summary>Writes a token's key and value of one head.</summary>
    public abstract void Write(
        KvPage page, int offset, int position, ReadOnlySpan<float> key, ReadOnlySpan<float> value);

    /// <summary>Attention of one key/value head.</summary>
    public abstract void Answer(in AttentionQuestion question, float[] room);
}

/// <summary>The kernels of one width.</summary>
/// <param name="name">Name for logs.</param>
/// <typeparam name="T">Sixteen lanes.</typeparam>
internal sealed class LaneKernels<T>(string name) : KernelSet
    where T : struct, ILanes<T>
{
    public override string Name => name;

    public override int RoomFor(int columns, int positions) =>
        Math.Max(MatrixKernel<T, F32Format>.RoomFor(columns), AttentionKernel<T, StoredSingle>.RoomFor(positions));

    public override void Decode(WeightMatrix matrix, int row, ref float values)
    {
        switch (matrix.Type)
        {
            case GgufTensorType.F32: MatrixKernel<T, F32Format>.Decode(matrix, row, ref values); break;
            case GgufTensorType.F16: MatrixKernel<T, F16Format>.Decode(matrix, row, ref values); break;
            case GgufTensorType.Q8_0: MatrixKernel<T, Q8Format>.Decode(matrix, row, ref values); break;
            case GgufTensorType.Q4_K: MatrixKernel<T, Q4KFormat>.Decode(matrix, row, ref values); break;
            case GgufTensorType.Q6_K: MatrixKernel<T, Q6KFormat>.Decode(matrix, row, ref values); break;
            default: throw NotRead(matrix);
        }
    }

    public override void Multiply(
        WeightMatrix matrix, int start, int end, LaneBuffer inputs, LaneBuffer outputs, int count, float[] room)
    {
        switch (matrix.Type)
        {
            case GgufTensorType.F32:
                MatrixKernel<T, F32Format>.Multiply(matrix, start, end, inputs, outputs, count, room);
                break;
            case GgufTensorType.F16:
                MatrixKernel<T, F16Format>.Multiply(matrix, start, end, inputs, outputs, count, room);
                break;
            case GgufTensorType.Q8_0:
                MatrixKernel<T, Q8Format>.Multiply(matrix, start, end, inputs, outputs, count, room);
                break;
            case GgufTensorType.Q4_K:
                MatrixKernel<T, Q4KFormat>.Multiply(matrix, start, end, inputs, outputs, count, room);
                break;
            case GgufTensorType.Q6_K:
                MatrixKernel<T, Q6KFormat>.Multiply(matrix, start, end, inputs, outputs, count, room);
                break;
            default:
                throw NotRead(matrix);
        }
    }

    public override void Normalize(ref float x, ref float weight, int length, float epsilon, ref float result) =>
        VectorKernel<T>.Normalize(ref x, ref weight, length, epsilon, ref result);

    public override void Add(ref float x, ref float y, int length) => VectorKernel<T>.Add(ref x, ref y, length);

    public override void SwiGlu(ref float gate, ref float up, int length) =>
        VectorKernel<T>.SwiGlu(ref gate, ref up, length);

    public override void Write(
        KvPage page, int offset, int position, ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        if (page.Precision == KeyValuePrecision.F16)
            AttentionKernel<T, StoredHalf>.Write(page, offset, position, key, value);
        else
            AttentionKernel<T, StoredSingle>.Write(page, offset, position, key, value);
    }

    public override void Answer(in AttentionQuestion question, float[] room)
    {
        if (question.Pages[0].Precision == KeyValuePrecision.F16) AttentionKernel<T, StoredHalf>.Answer(question, room);
        else AttentionKernel<T, StoredSingle>.Answer(question, room);
    }

    private static InvalidOperationException NotRead(WeightMatrix matrix) =>
        new($"{matrix.Type} should have been refused when the file was opened.");
}
