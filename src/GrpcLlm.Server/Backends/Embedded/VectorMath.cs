using System.Numerics.Tensors;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// The arithmetic of the forward pass. Every result depends on the operands alone, not on where they lie in memory or
/// how many rows are computed together: a stream's logits are the same bits alone and in company. (Across processors
/// with vectors of different width the last bits may differ.)
/// </summary>
internal static class VectorMath
{
    /// <summary>For each of <paramref name="count"/> inputs, all dot products with the rows of a matrix.</summary>
    /// <param name="matrix">[rows × columns], row after row.</param>
    /// <param name="inputs">[count × columns].</param>
    /// <param name="outputs">[count × rows]; overwritten.</param>
    /// <param name="count">Number of inputs.</param>
    public static void Multiply(ReadOnlySpan<float> matrix, ReadOnlySpan<float> inputs, Span<float> outputs, int count)
    {
        int columns = inputs.Length / count;
        int rows = matrix.Length / columns;
        for (int row = 0; row < rows; row++)
        {
            // Rows outside, inputs inside: a row of weights is fetched once for all inputs.
            ReadOnlySpan<float> weights = matrix.Slice(row * columns, columns);
            for (int i = 0; i < count; i++)
                outputs[(i * rows) + row] = TensorPrimitives.Dot(weights, inputs.Slice(i * columns, columns));
        }
    }

    /// <summary>RMSNorm of one vector: <c>x / sqrt(mean(x²) + epsilon) * weight</c>.</summary>
    public static void Normalize(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, float epsilon, Span<float> result)
    {
        // Dot, not SumOfSquares: that one's rounding depends on the alignment of its operand.
        float scale = 1 / MathF.Sqrt((TensorPrimitives.Dot(x, x) / x.Length) + epsilon);
        TensorPrimitives.Multiply(x, scale, result);
        TensorPrimitives.Multiply(result, weight, result);
    }

    /// <summary>Softmax in place.</summary>
    public static void Softmax(Span<float> scores)
    {
        TensorPrimitives.Subtract(scores, TensorPrimitives.Max<float>(scores), scores);
        TensorPrimitives.Exp(scores, scores);
        double sum = 0;
        foreach (float score in scores) sum += score;
        TensorPrimitives.Multiply(scores, (float)(1 / sum), scores);
    }

    /// <summary><c>gate = SiLU(gate) * up</c>, SiLU(x) = x / (1 + exp(-x)).</summary>
    /// <param name="gate">In: the gate. Out: the result.</param>
    /// <param name="up">What it scales.</param>
    /// <param name="scratch">As long as the others.</param>
    public static void SwiGlu(Span<float> gate, ReadOnlySpan<float> up, Span<float> scratch)
    {
        TensorPrimitives.Sigmoid(gate, scratch);
        TensorPrimitives.Multiply(gate, scratch, gate);
        TensorPrimitives.Multiply(gate, up, gate);
    }
}
