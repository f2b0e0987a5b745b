using System.Numerics.Tensors;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// The forward pass of a llama-architecture decoder: RMSNorm, grouped-query attention with RoPE, SwiGLU. Immutable and
/// shared; all state is in the caller's cache and scratch.
/// </summary>
internal sealed class LlamaModel(LlamaShape shape, LlamaWeights weights, int vocabularySize)
{
    private readonly RotaryEmbedding _rotary = new(shape, weights.RopeFactors);

    /// <summary>Shape of the model.</summary>
    public LlamaShape Shape => shape;

    /// <summary>Buffers that a thread needs to call <see cref="Forward"/>.</summary>
    /// <param name="context">Most positions of a stream.</param>
    public ForwardScratch CreateScratch(int context) => new(shape, _rotary.Pairs, vocabularySize, context);

    /// <summary>
    /// Runs tokens that follow those in the cache. The result is the same whether they come one by one or together.
    /// </summary>
    /// <param name="cache">Keys and values so far; grows by the tokens.</param>
    /// <param name="tokens">1 to <see cref="ForwardScratch.MaxTokens"/> token ids, all in the vocabulary.</param>
    /// <param name="scratch">Buffers of this thread.</param>
    /// <param name="wantLogits">Whether to compute <see cref="ForwardScratch.Logits"/> after the last token.</param>
    /// <param name="cancellationToken">Looked at between layers.</param>
    /// <returns>False if it was cancelled; the cache then has its old length.</returns>
    public bool Forward(
        KvCache cache, ReadOnlySpan<int> tokens, ForwardScratch scratch, bool wantLogits,
        CancellationToken cancellationToken)
    {
        int width = shape.Width;
        int count = tokens.Length;
        cache.Reserve(count);
        for (int i = 0; i < count; i++)
        {
            weights.Embedding.AsSpan(tokens[i] * width, width).CopyTo(scratch.Residual.AsSpan(i * width));
            _rotary.Angles(cache.Length + i, PairsOf(scratch.Cosines, i), PairsOf(scratch.Sines, i));
        }

        for (int layer = 0; layer < shape.Layers; layer++)
        {
            if (cancellationToken.IsCancellationRequested) return false;
            Attend(layer, cache, scratch, count);
            FeedForward(weights.Layers[layer], scratch, count);
        }

        cache.Commit(count);
        if (wantLogits)
        {
            Span<float> last = scratch.Residual.AsSpan((count - 1) * width, width);
            Span<float> normalized = scratch.Normalized.AsSpan(0, width);
            VectorMath.Normalize(last, weights.OutputNorm, shape.NormEpsilon, normalized);
            VectorMath.Multiply(weights.Output, normalized, scratch.Logits, 1);
        }

        return true;
    }

    private void Attend(int layer, KvCache cache, ForwardScratch scratch, int count)
    {
        LlamaWeights.Layer layerWeights = weights.Layers[layer];
        int keyValueWidth = shape.KeyValueWidth;
        Span<float> normalized = Normalize(scratch, layerWeights.AttentionNorm, count);
        Span<float> query = scratch.Query.AsSpan(0, count * shape.Width);
        Span<float> keyValue = scratch.KeyValue.AsSpan(0, count * keyValueWidth);

        VectorMath.Multiply(layerWeights.Query, normalized, query, count);
        VectorMath.Multiply(layerWeights.Key, normalized, keyValue, count);
        for (int i = 0; i < count; i++)
        {
            Span<float> cosines = PairsOf(scratch.Cosines, i);
            Span<float> sines = PairsOf(scratch.Sines, i);
            Span<float> key = keyValue.Slice(i * keyValueWidth, keyValueWidth);
            _rotary.Rotate(query.Slice(i * shape.Width, shape.Width), cosines, sines);
            _rotary.Rotate(key, cosines, sines);
            key.CopyTo(cache.Keys(layer, cache.Length + i));
        }

        VectorMath.Multiply(layerWeights.Value, normalized, keyValue, count);
        for (int i = 0; i < count; i++)
            keyValue.Slice(i * keyValueWidth, keyValueWidth).CopyTo(cache.Values(layer, cache.Length + i));

        Span<float> attention = scratch.Attention.AsSpan(0, count * shape.Width);
        for (int i = 0; i < count; i++)
        {
            for (int head = 0; head < shape.Heads; head++)
                AttendHead(layer, cache, scratch, i, head);
        }

        VectorMath.Multiply(layerWeights.AttentionOutput, attention, normalized, count);
        AddToResidual(scratch, normalized);
    }

    // A token sees itself and everything before it.
    private void AttendHead(int layer, KvCache cache, ForwardScratch scratch, int token, int head)
    {
        int length = shape.HeadLength;
        int positions = cache.Length + token + 1;
        int keyValueOffset = head / (shape.Heads / shape.KeyValueHeads) * length;
        int offset = (token * shape.Width) + (head * length);
        ReadOnlySpan<float> query = scratch.Query.AsSpan(offset, length);
        Span<float> result = scratch.Attention.AsSpan(offset, length);
        Span<float> scores = scratch.Scores.AsSpan(0, positions);

        float scale = 1 / MathF.Sqrt(length);
        for (int j = 0; j < positions; j++)
            scores[j] = TensorPrimitives.Dot(query, cache.Keys(layer, j).Slice(keyValueOffset, length)) * scale;
        VectorMath.Softmax(scores);

        result.Clear();
        for (int j = 0; j < positions; j++)
        {
            ReadOnlySpan<float> values = cache.Values(layer, j).Slice(keyValueOffset, length);
            TensorPrimitives.MultiplyAdd(values, scores[j], result, result);
        }
    }

    private void FeedForward(LlamaWeights.Layer layer, ForwardScratch scratch, int count)
    {
        Span<float> normalized = Normalize(scratch, layer.FeedForwardNorm, count);
        int length = count * shape.FeedForward;
        Span<float> gate = scratch.Gate.AsSpan(0, length);
        Span<float> up = scratch.Up.AsSpan(0, length);

        VectorMath.Multiply(layer.Gate, normalized, gate, count);
        VectorMath.Multiply(layer.Up, normalized, up, count);
        for (int i = 0; i < count; i++)
        {
            // Token by token: how a vector is cut into registers depends on its length.
            int start = i * shape.FeedForward;
            VectorMath.SwiGlu(
                gate.Slice(start, shape.FeedForward), up.Slice(start, shape.FeedForward), scratch.Activation);
        }

        VectorMath.Multiply(layer.Down, gate, normalized, count);
        AddToResidual(scratch, normalized);
    }

    private Span<float> Normalize(ForwardScratch scratch, float[] weight, int count)
    {
        for (int i = 0; i < count; i++)
        {
            VectorMath.Normalize(
                scratch.Residual.AsSpan(i * shape.Width, shape.Width), weight, shape.NormEpsilon,
                scratch.Normalized.AsSpan(i * shape.Width, shape.Width));
        }

        return scratch.Normalized.AsSpan(0, count * shape.Width);
    }

    private static void AddToResidual(ForwardScratch scratch, ReadOnlySpan<float> values)
    {
        Span<float> residual = scratch.Residual.AsSpan(0, values.Length);
        TensorPrimitives.Add(residual, values, residual);
    }

    private Span<float> PairsOf(float[] buffer, int token) => buffer.AsSpan(token * _rotary.Pairs, _rotary.Pairs);
}
