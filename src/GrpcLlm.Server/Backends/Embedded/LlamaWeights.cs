namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Weights of a llama-architecture decoder as float32, whatever the file holds: simple and exact, at four bytes a
/// weight. Matrices are stored row after row, one row per output value. Immutable; shared by all streams.
/// </summary>
internal sealed class LlamaWeights
{
    private LlamaWeights(Loader loader, LlamaShape shape, int vocabularySize)
    {
        Embedding = loader.Take("token_embd.weight", shape.Width, vocabularySize);
        OutputNorm = loader.Take("output_norm.weight", shape.Width);
        // A file without an output matrix ties it to the embedding.
        Output = loader.TryTake("output.weight", shape.Width, vocabularySize) ?? Embedding;
        RopeFactors = loader.TryTake("rope_freqs.weight", shape.RopeDimensions / 2);
        Layers = new Layer[shape.Layers];
        for (int i = 0; i < Layers.Length; i++) Layers[i] = new Layer(loader, shape, $"blk.{i}.");
    }

    /// <summary>One row of the width for each token of the vocabulary.</summary>
    public float[] Embedding { get; }

    /// <summary>Weights of the norm before the output.</summary>
    public float[] OutputNorm { get; }

    /// <summary>One row for each token; the same array as <see cref="Embedding"/> where they are tied.</summary>
    public float[] Output { get; }

    /// <summary>Divisors of RoPE's frequencies, one for each pair; null for none.</summary>
    public float[]? RopeFactors { get; }

    /// <summary>Weights of each layer.</summary>
    public Layer[] Layers { get; }

    /// <summary>Reads all weights.</summary>
    /// <exception cref="EmbeddedModelException">A tensor is missing, of the wrong size, or not known.</exception>
    public static LlamaWeights Read(GgufFile file, LlamaShape shape, int vocabularySize)
    {
        var loader = new Loader(file);
        var weights = new LlamaWeights(loader, shape, vocabularySize);
        loader.RefuseRest();
        return weights;
    }

    /// <summary>Weights of one layer. Shapes: rows × columns.</summary>
    internal sealed class Layer
    {
        internal Layer(Loader loader, LlamaShape shape, string prefix)
        {
            AttentionNorm = loader.Take(prefix + "attn_norm.weight", shape.Width);
            Query = loader.Take(prefix + "attn_q.weight", shape.Width, shape.Width);
            Key = loader.Take(prefix + "attn_k.weight", shape.Width, shape.KeyValueWidth);
            Value = loader.Take(prefix + "attn_v.weight", shape.Width, shape.KeyValueWidth);
            AttentionOutput = loader.Take(prefix + "attn_output.weight", shape.Width, shape.Width);
            FeedForwardNorm = loader.Take(prefix + "ffn_norm.weight", shape.Width);
            Gate = loader.Take(prefix + "ffn_gate.weight", shape.Width, shape.FeedForward);
            Up = loader.Take(prefix + "ffn_up.weight", shape.Width, shape.FeedForward);
            Down = loader.Take(prefix + "ffn_down.weight", shape.FeedForward, shape.Width);
        }

        /// <summary>Norm before attention: [width].</summary>
        public float[] AttentionNorm { get; }

        /// <summary>[width × width].</summary>
        public float[] Query { get; }

        /// <summary>[key/value width × width].</summary>
        public float[] Key { get; }

        /// <summary>[key/value width × width].</summary>
        public float[] Value { get; }

        /// <summary>[width × width].</summary>
        public float[] AttentionOutput { get; }

        /// <summary>Norm before the feed-forward network: [width].</summary>
        public float[] FeedForwardNorm { get; }

        /// <summary>[feed-forward × width].</summary>
        public float[] Gate { get; }

        /// <summary>[feed-forward × width].</summary>
        public float[] Up { get; }

        /// <summary>[width × feed-forward].</summary>
        public float[] Down { get; }
    }

    /// <summary>Takes tensors out of a file by name and size, and knows which nobody took.</summary>
    internal sealed class Loader(GgufFile file)
    {
        private readonly HashSet<string> _left = new(file.Tensors.Keys, StringComparer.Ordinal);

        public float[] Take(string name, int columns, int rows = 1) =>
            TryTake(name, columns, rows) ?? throw new EmbeddedModelException($"tensor '{name}' is missing");

        public float[]? TryTake(string name, int columns, int rows = 1)
        {
            if (!file.Tensors.TryGetValue(name, out GgufTensor? tensor)) return null;
            if (tensor.Columns != columns || tensor.Rows != rows)
            {
                throw new EmbeddedModelException(
                    $"tensor '{name}' has {tensor.Rows} rows of {tensor.Columns} values; " +
                    $"must have {rows} rows of {columns}");
            }

            _left.Remove(name);
            return file.ReadTensor(tensor);
        }

        // A bias or a tensor of a variant would change every result if it were left out.
        public void RefuseRest()
        {
            if (_left.Count > 0)
            {
                throw new EmbeddedModelException(
                    $"tensor '{_left.Order(StringComparer.Ordinal).First()}' is not known to this engine");
            }
        }
    }
}
