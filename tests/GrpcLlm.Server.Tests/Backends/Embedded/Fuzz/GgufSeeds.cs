using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Fuzz;

/// <summary>Small files that are right, of every kind that the reader knows, for <see cref="GgufMutator"/> to spoil.</summary>
internal static class GgufSeeds
{
    private const string ChatTemplate =
        "{% for m in messages %}{% if loop.first and m.role == 'system' %}{{ raise_exception('no ' + m.role) }}{% endif %}" +
        "{{ '<user>' + m.content | trim + eos_token }}{% endfor %}{% if add_generation_prompt %}{{ '<user>' }}{% endif %}";

    private static readonly (GgufTensorType Type, string Tensor)[] Formats =
    [
        (GgufTensorType.Q6_K, "token_embd.weight"), (GgufTensorType.F16, "blk.0.attn_q.weight"),
        (GgufTensorType.Q8_0, "blk.0.attn_k.weight"), (GgufTensorType.Q8_0, "blk.0.attn_v.weight"),
        (GgufTensorType.F32, "blk.0.attn_output.weight"), (GgufTensorType.Q4_K, "blk.0.ffn_gate.weight"),
        (GgufTensorType.Q4_K, "blk.0.ffn_up.weight"), (GgufTensorType.Q6_K, "blk.0.ffn_down.weight"),
    ];

    /// <summary>The files.</summary>
    public static IReadOnlyList<byte[]> All { get; } =
        [.. new[] { Tiny(), Pieces(), Quantised() }.Select(builder => builder.Build())];

    private static GgufBuilder Tiny() => GgufBuilder.TinyModel()
        .Key("general.alignment", 32u)
        .Key("llama.attention.head_count_kv", 1u)
        .Key("llama.vocab_size", 260u)
        .Key("tokenizer.ggml.eot_token_id", 259u)
        .Key("tokenizer.chat_template", ChatTemplate)
        .Tensor("blk.0.attn_k.weight", 4, 2)
        .Tensor("blk.0.attn_v.weight", 4, 2);

    private static GgufBuilder Pieces()
    {
        string[] bytes = [.. Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>")];
        return GgufBuilder.TinyModel()
            .Key("tokenizer.ggml.model", "llama")
            .Key("tokenizer.ggml.pre", null)
            .Key("tokenizer.ggml.merges", null)
            .Key("tokenizer.ggml.tokens", (string[])[.. bytes, "<unk>", "\u2581a", "<user>", "<end>"])
            .Key("tokenizer.ggml.token_type", (int[])[.. Enumerable.Repeat(6, 256), 2, 1, 4, 3])
            .Key("tokenizer.ggml.scores", new float[260])
            .Key("tokenizer.ggml.unknown_token_id", 256u)
            .Key("tokenizer.ggml.add_space_prefix", true)
            .Key("tokenizer.chat_template", ChatTemplate)
            .Key("llama.rope.dimension_count", 2u)
            .Tensor("rope_freqs.weight", 1)
            .Content("rope_freqs.weight", BitConverter.GetBytes(8f))
            .Tensor("output.weight", 4, 260);
    }

    private static GgufBuilder Quantised()
    {
        const int width = 256;
        GgufBuilder builder = GgufBuilder.TinyModel()
            .Key("tokenizer.ggml.pre", "llama-bpe")
            .Key("llama.embedding_length", (uint)width)
            .Key("llama.feed_forward_length", (uint)width)
            .Key("llama.rope.freq_base", 500_000f)
            .Key("llama.attention.key_length", 128u);
        foreach (string norm in (string[])["output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"])
            builder.Tensor(norm, width);
        foreach ((GgufTensorType type, string tensor) in Formats)
        {
            ulong rows = tensor is "token_embd.weight" ? 260ul : width;
            int blocks = width / GgufTensor.BlockLength(type) * (int)rows;
            builder.TensorOf(tensor, [width, rows], (uint)type, blocks * GgufTensor.BlockSize(type));
        }

        return builder;
    }
}
