namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Buffers of one worker for one forward pass, made once so that a token allocates nothing. Not thread-safe.
/// </summary>
internal sealed class ForwardScratch
{
    /// <summary>Most tokens of one pass.</summary>
    public const int MaxTokens = 16;

    /// <param name="shape">Shape of the model.</param>
    /// <param name="ropePairs">Pairs turned in each head.</param>
    /// <param name="vocabularySize">Number of logits.</param>
    /// <param name="context">Most positions of one stream.</param>
    public ForwardScratch(LlamaShape shape, int ropePairs, int vocabularySize, int context)
    {
        Residual = new float[MaxTokens * shape.Width];
        Normalized = new float[MaxTokens * shape.Width];
        Query = new float[MaxTokens * shape.Width];
        KeyValue = new float[MaxTokens * shape.KeyValueWidth];
        Attention = new float[MaxTokens * shape.Width];
        Gate = new float[MaxTokens * shape.FeedForward];
        Up = new float[MaxTokens * shape.FeedForward];
        Activation = new float[shape.FeedForward];
        Cosines = new float[MaxTokens * ropePairs];
        Sines = new float[MaxTokens * ropePairs];
        Scores = new float[context];
        Logits = new float[vocabularySize];
    }

    /// <summary>The residual stream: [tokens × width].</summary>
    public float[] Residual { get; }

    /// <summary>What a norm, or the last step of a layer's half, gives: [tokens × width].</summary>
    public float[] Normalized { get; }

    /// <summary>Queries: [tokens × width].</summary>
    public float[] Query { get; }

    /// <summary>Keys, then values, on their way to the cache: [tokens × key/value width].</summary>
    public float[] KeyValue { get; }

    /// <summary>What attention gives, head after head: [tokens × width].</summary>
    public float[] Attention { get; }

    /// <summary>[tokens × feed-forward].</summary>
    public float[] Gate { get; }

    /// <summary>[tokens × feed-forward].</summary>
    public float[] Up { get; }

    /// <summary>Room for the activation function of one token: [feed-forward].</summary>
    public float[] Activation { get; }

    /// <summary>RoPE: [tokens × pairs].</summary>
    public float[] Cosines { get; }

    /// <summary>RoPE: [tokens × pairs].</summary>
    public float[] Sines { get; }

    /// <summary>Attention weights of one head: [context].</summary>
    public float[] Scores { get; }

    /// <summary>The model's raw logits after the last token: [vocabulary].</summary>
    public float[] Logits { get; }
}
