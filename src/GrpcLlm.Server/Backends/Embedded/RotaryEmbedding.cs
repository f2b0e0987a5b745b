using System.Runtime.CompilerServices;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// RoPE on interleaved pairs: (2j, 2j+1) of each head is turned by <c>position * base^(-2j/n) / (factor[j] * scale)</c>,
/// which is how llama-architecture files store their query and key rows. Immutable.
/// </summary>
internal sealed class RotaryEmbedding
{
    private readonly double[] _frequencies;
    private readonly int _headLength;

    public RotaryEmbedding(LlamaShape shape, ReadOnlySpan<float> factors)
    {
        _headLength = shape.HeadLength;
        _frequencies = new double[shape.RopeDimensions / 2];
        for (int j = 0; j < _frequencies.Length; j++)
        {
            double factor = factors.IsEmpty ? 1 : factors[j];
            if (!(double.IsFinite(factor) && factor > 0))
                throw new EmbeddedModelException($"rope_freqs.weight[{j}] is {factor}; must be a positive number");
            _frequencies[j] = Math.Pow(shape.RopeBase, -2.0 * j / shape.RopeDimensions) / (factor * shape.RopeScale);
        }
    }

    /// <summary>Pairs turned in each head.</summary>
    public int Pairs => _frequencies.Length;

    /// <summary>The turns of one position, for all layers and heads.</summary>
    /// <param name="position">Position from 0.</param>
    /// <param name="turns">Cosine and sine of each pair: [2 × <see cref="Pairs"/>].</param>
    public void Angles(int position, Span<float> turns)
    {
        for (int j = 0; j < _frequencies.Length; j++)
        {
            (double sine, double cosine) = Math.SinCos(position * _frequencies[j]);
            (turns[2 * j], turns[(2 * j) + 1]) = ((float)cosine, (float)sine);
        }
    }

    /// <summary>Turns every head of a vector in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Rotate(Span<float> heads, ReadOnlySpan<float> turns)
    {
        for (int start = 0; start < heads.Length; start += _headLength)
        {
            Span<float> head = heads.Slice(start, turns.Length);
            for (int j = 0; j + 1 < head.Length && j + 1 < turns.Length; j += 2)
            {
                (float x, float y) = (head[j], head[j + 1]);
                (float cosine, float sine) = (turns[j], turns[j + 1]);
                head[j] = (x * cosine) - (y * sine);
                head[j + 1] = (x * sine) + (y * cosine);
            }
        }
    }
}
