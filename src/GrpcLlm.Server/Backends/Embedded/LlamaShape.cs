namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Hyperparameters of a llama-architecture decoder, read from the keys <c>llama.*</c>. What this engine cannot honour
/// is refused by name: every key of that family must be known, so that no file is run wrongly in silence.
/// </summary>
internal sealed record LlamaShape
{
    private const string Prefix = "llama.";
    private const string ScalingFactor = "rope.scaling.factor";
    private const string OldScalingFactor = "rope.scale_linear";

    // Far above any real model; they keep products of two within 64 bits.
    private const int MaxContext = 1 << 24;
    private const int MaxWidth = 1 << 20;
    private const int MaxLayers = 1 << 12;

    // Keys with a value that changes nothing, and what that value is. Any other value is refused.
    private static readonly Dictionary<string, object[]> Neutral = new(StringComparer.Ordinal)
    {
        ["attention.causal"] = [true],
        ["attention.scale"] = [0f],
        ["attention.sliding_window"] = [0u],
        ["embedding_scale"] = [0f, 1f],
        ["expert_count"] = [0u],
        ["expert_used_count"] = [0u],
        ["logit_scale"] = [0f, 1f],
        ["residual_scale"] = [0f, 1f],
        ["rope.scaling.type"] = ["none", "linear"],
        ["use_parallel_residual"] = [false],
    };

    private static readonly HashSet<string> Honoured = new(StringComparer.Ordinal)
    {
        "block_count", "context_length", "embedding_length", "feed_forward_length", "vocab_size",
        "attention.head_count", "attention.head_count_kv", "attention.key_length", "attention.value_length",
        "attention.layer_norm_rms_epsilon", "rope.dimension_count", "rope.freq_base",
        ScalingFactor, OldScalingFactor,
    };

    /// <summary>Decoder layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Positions the model was trained for.</summary>
    public required int Context { get; init; }

    /// <summary>Length of the residual vector.</summary>
    public required int Width { get; init; }

    /// <summary>Length of the feed-forward network's hidden vector.</summary>
    public required int FeedForward { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key/value heads; each serves <c>Heads / KeyValueHeads</c> query heads in a row.</summary>
    public required int KeyValueHeads { get; init; }

    /// <summary>Epsilon of RMSNorm.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>Dimensions of each head that RoPE turns; even.</summary>
    public required int RopeDimensions { get; init; }

    /// <summary>Base of RoPE's frequencies.</summary>
    public required float RopeBase { get; init; }

    /// <summary>What RoPE's positions are divided by; 1 changes nothing.</summary>
    public float RopeScale { get; init; } = 1;

    /// <summary>Length of one head.</summary>
    public int HeadLength => Width / Heads;

    /// <summary>Length of all keys, or all values, of one position in one layer.</summary>
    public int KeyValueWidth => KeyValueHeads * HeadLength;

    /// <summary>Reads and checks the keys.</summary>
    /// <exception cref="EmbeddedModelException">A key is missing, wrong, or asks for what is not done here.</exception>
    public static LlamaShape Read(GgufMetadata metadata)
    {
        string architecture = metadata.GetString("general.architecture");
        if (architecture is not "llama")
            throw new EmbeddedModelException($"general.architecture is '{architecture}'; only 'llama' is run");
        RefuseUnknownKeys(metadata);

        int width = metadata.GetInt32(Prefix + "embedding_length", 1, MaxWidth);
        int heads = metadata.GetInt32(Prefix + "attention.head_count", 1, width);
        if (width % heads != 0)
        {
            throw new EmbeddedModelException(
                $"llama.embedding_length {width} is not a multiple of llama.attention.head_count {heads}");
        }

        int keyValueHeads = metadata.GetInt32(Prefix + "attention.head_count_kv", 1, heads, heads);
        if (heads % keyValueHeads != 0)
        {
            throw new EmbeddedModelException(
                $"llama.attention.head_count {heads} is not a multiple of " +
                $"llama.attention.head_count_kv {keyValueHeads}");
        }

        int headLength = width / heads;
        metadata.GetInt32(Prefix + "attention.key_length", headLength, headLength, headLength);
        metadata.GetInt32(Prefix + "attention.value_length", headLength, headLength, headLength);
        int ropeDimensions = metadata.GetInt32(Prefix + "rope.dimension_count", 2, headLength, headLength);
        if (ropeDimensions % 2 != 0)
            throw new EmbeddedModelException($"llama.rope.dimension_count is {ropeDimensions}; must be even");

        return new LlamaShape
        {
            Layers = metadata.GetInt32(Prefix + "block_count", 1, MaxLayers),
            Context = metadata.GetInt32(Prefix + "context_length", 1, MaxContext),
            Width = width,
            FeedForward = metadata.GetInt32(Prefix + "feed_forward_length", 1, MaxWidth),
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            NormEpsilon = metadata.GetPositive(Prefix + "attention.layer_norm_rms_epsilon"),
            RopeDimensions = ropeDimensions,
            RopeBase = metadata.GetPositive(Prefix + "rope.freq_base", 10_000),
            RopeScale = ReadRopeScale(metadata),
        };
    }

    // A factor without a type is linear; a factor of 0 stands for none.
    private static float ReadRopeScale(GgufMetadata metadata)
    {
        if (metadata.GetString(Prefix + "rope.scaling.type", "linear") is "none") return 1;
        string key = Prefix + (metadata.Has(Prefix + ScalingFactor) ? ScalingFactor : OldScalingFactor);
        return metadata.Find(key) is 0f ? 1 : metadata.GetPositive(key, 1);
    }

    private static void RefuseUnknownKeys(GgufMetadata metadata)
    {
        foreach (string key in metadata.Keys)
        {
            if (!key.StartsWith(Prefix, StringComparison.Ordinal)) continue;
            string name = key[Prefix.Length..];
            if (Honoured.Contains(name)) continue;
            object value = metadata.Find(key)!;
            if (Neutral.TryGetValue(name, out object[]? neutral) && neutral.Contains(value)) continue;
            throw new EmbeddedModelException(
                $"{key} = {(value is Array ? "an array" : value)} is not something this engine does");
        }
    }
}
