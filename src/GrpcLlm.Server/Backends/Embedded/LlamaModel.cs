namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>A llama-architecture decoder: shape and weights. Immutable and shared; <see cref="ForwardPass"/> runs it.</summary>
/// <param name="shape">Its shape.</param>
/// <param name="weights">Its weights.</param>
/// <param name="vocabularySize">Number of logits.</param>
internal sealed class LlamaModel(LlamaShape shape, LlamaWeights weights, int vocabularySize)
{
    /// <summary>Shape of the model.</summary>
    public LlamaShape Shape => shape;

    /// <summary>Its weights.</summary>
    public LlamaWeights Weights => weights;

    /// <summary>Number of logits.</summary>
    public int VocabularySize => vocabularySize;

    /// <summary>How positions turn queries and keys.</summary>
    public RotaryEmbedding Rotary { get; } = new(shape, weights.RopeFactors);

    /// <summary>Multiplications with weights that a token takes, those of its logits included.</summary>
    public long Multiplications { get; } = ((long)shape.Width * vocabularySize) + (shape.Layers * (long)shape.Width *
        ((2L * shape.Width) + (2 * shape.KeyValueWidth) + (3 * shape.FeedForward)));
}
