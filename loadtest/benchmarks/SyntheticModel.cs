using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Tests.Backends.Embedded;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// A model of 58 million random weights in Q8_0 with the shipped model's vocabulary: too large for the caches of most
/// processors, so that it tells how fast weights are fetched and used.
/// </summary>
internal static class SyntheticModel
{
    private const uint Width = 768, FeedForward = 2048, Layers = 8, Heads = 12, Vocabulary = 2048;

    public static string Write()
    {
        var path = Path.Combine(Path.GetTempPath(), "grpcllm-bench-58m.gguf");
        using var shipped = GgufFile.Open(EmbeddedModel.DefaultPath);
        var builder = new GgufBuilder();
        foreach (var key in shipped.Metadata.Keys) builder.Key(key, shipped.Metadata.Find(key));
        builder.Key("general.name", "bench-58m").Key("llama.embedding_length", Width)
            .Key("llama.feed_forward_length", FeedForward).Key("llama.block_count", Layers)
            .Key("llama.attention.head_count", Heads).Key("llama.attention.head_count_kv", Heads)
            .Key("llama.rope.dimension_count", Width / Heads)
            .Key("llama.attention.key_length", null).Key("llama.attention.value_length", null)
            .Tensor("output_norm.weight", Width);
        Matrix(builder, "token_embd", Width, Vocabulary);
        for (var layer = 0; layer < Layers; layer++)
        {
            builder.Tensor($"blk.{layer}.attn_norm.weight", Width).Tensor($"blk.{layer}.ffn_norm.weight", Width);
            foreach (var name in (string[])["attn_q", "attn_k", "attn_v", "attn_output"]) Matrix(builder, $"blk.{layer}.{name}", Width, Width);
            Matrix(builder, $"blk.{layer}.ffn_gate", Width, FeedForward);
            Matrix(builder, $"blk.{layer}.ffn_up", Width, FeedForward);
            Matrix(builder, $"blk.{layer}.ffn_down", FeedForward, Width);
        }

        File.WriteAllBytes(path, builder.Build());
        FillWithNoise(path);
        return path;
    }

    private static void Matrix(GgufBuilder builder, string name, ulong columns, ulong rows) =>
        builder.TensorOf(name + ".weight", [columns, rows], (uint)GgufTensorType.Q8_0, (int)(columns * rows / 32 * 34));

    private static void FillWithNoise(string path)
    {
        List<GgufTensor> tensors;
        using (var file = GgufFile.Open(path)) tensors = [.. file.Tensors.Values];
        var random = new Random(1);
        using var stream = File.OpenWrite(path);
        foreach (var tensor in tensors)
        {
            var bytes = new byte[tensor.ByteLength];
            if (tensor.Type == GgufTensorType.Q8_0)
            {
                random.NextBytes(bytes);
                for (var block = 0; block < bytes.Length; block += 34) BitConverter.TryWriteBytes(bytes.AsSpan(block), (Half)0.0005f);
            }
            else
            {
                for (var i = 0; i < bytes.Length; i += sizeof(float)) BitConverter.TryWriteBytes(bytes.AsSpan(i), 1f);
            }

            stream.Position = tensor.Offset;
            stream.Write(bytes);
        }
    }
}
