using GrpcLlm.Server.Backends.Embedded.Kernels;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Weights of a llama-architecture decoder: matrices where and as they lie in the file, vectors as float32. Immutable;
/// shared by all streams.
/// </summary>
internal sealed class LlamaWeights
{
    private LlamaWeights(Loader loader, LlamaShape shape, int vocabularySize)
    {
        Embedding = loader.Take("token_embd.weight", shape.Width, vocabularySize);
        OutputNorm = loader.TakeVector("output_norm.weight", shape.Width);
        // A file without an output matrix ties it to the embedding.
        Output = loader.TryTake("output.weight", shape.Width, vocabularySize) ?? Embedding;
        RopeFactors = loader.TryTakeVector("rope_freqs.weight", shape.RopeDimensions / 2)?[..(shape.RopeDimensions / 2)];
        Layers = new Layer[shape.Layers];
        for (int i = 0; i < Layers.Length; i++) Layers[i] = new Layer(loader, shape, $"blk.{i}.");
    }

    /// <summary>One row of the width for each token of the vocabulary.</summary>
    public WeightMatrix Embedding { get; }

    /// <summary>Weights of the norm before the output.</summary>
    public float[] OutputNorm { get; }

    /// <summary>One row for each token; the same matrix as <see cref="Embedding"/> where they are tied.</summary>
    public WeightMatrix Output { get; }

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
            AttentionNorm = loader.TakeVector(prefix + "attn_norm.weight", shape.Width);
            Query = loader.Take(prefix + "attn_q.weight", shape.Width, shape.Width);
            Key = loader.Take(prefix + "attn_k.weight", shape.Width, shape.KeyValueWidth);
            Value = loader.Take(prefix + "attn_v.weight", shape.Width, shape.KeyValueWidth);
            AttentionOutput = loader.Take(prefix + "attn_output.weight", shape.Width, shape.Width);
            FeedForwardNorm = loader.TakeVector(prefix + "ffn_norm.weight", shape.Width);
            Gate = loader.Take(prefix + "ffn_gate.weight", shape.Width, shape.FeedForward);
            Up = loader.Take(prefix + "ffn_up.weight", shape.Width, shape.FeedForward);
            Down = loader.Take(prefix + "ffn_down.weight", shape.FeedForward, shape.Width);
        }

        /// <summary>Norm before attention: [width].</summary>
        public float[] AttentionNorm { get; }

        /// <summary>[width × width].</summary>
        public WeightMatrix Query { get; }

        /// <summary>[key/value width × width].</summary>
        public WeightMatrix Key { get; }

        /// <summary>[key/value width × width].</summary>
        public WeightMatrix Value { get; }

        /// <summary>[width × width].</summary>
        public WeightMatrix AttentionOutput { get; }

        /// <summary>Norm before the feed-forward network: [width].</summary>
        public float[] FeedForwardNorm { get; }

        /// <summary>[feed-forward × width].</summary>
        public WeightMatrix Gate { get; }

        /// <summary>[feed-forward × width].</summary>
        public WeightMatrix Up { get; }

        /// <summary>[width × feed-forward].</summary>
        public WeightMatrix Down { get; }
    }

    /// <summary>Takes tensors out of a file by name and size, and knows which nobody took.</summary>
    internal sealed class Loader(GgufFile file)
    {
        private readonly HashSet<string> _left = new(file.Tensors.Keys, StringComparer.Ordinal);

        public WeightMatrix Take(string name, int columns, int rows) =>
            TryTake(name, columns, rows) ?? throw Missing(name);

        // Padded to whole units with zeros.
        public float[] TakeVector(string name, int length) => TryTakeVector(name, length) ?? throw Missing(name);

        public float[]? TryTakeVector(string name, int length)
        {
            if (TryTake(name, length, 1) is not { } matrix) return null;
            float[] values = new float[LaneBuffer.Padded(length)];
            KernelSet.Best.Decode(matrix, 0, ref values[0]);
            return values;
        }

        public WeightMatrix? TryTake(string name, int columns, int rows)
        {
            if (!file.Tensors.TryGetValue(name, out GgufTensor? tensor)) return null;
            if (tensor.Columns != columns || tensor.Rows != rows)
            {
                throw new EmbeddedModelException(
                    $"tensor '{name}' has {tensor.Rows} rows of {tensor.Columns} values; " +
                    $"must have {rows} rows of {columns}");
            }

            _left.Remove(name);
            return file.Map(tensor);
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

        private static EmbeddedModelException Missing(string name) => new($"tensor '{name}' is missing");
    }
}
