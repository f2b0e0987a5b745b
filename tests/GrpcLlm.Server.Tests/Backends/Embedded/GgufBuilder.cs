using System.Text;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>
/// Writes GGUF files for tests, right or wrong: a tiny model of architecture llama that loads, whose weights are zero, or
/// another file, with any key or tensor replaced.
/// </summary>
internal sealed class GgufBuilder
{
    private readonly Dictionary<string, object> _metadata = new(StringComparer.Ordinal);
    private readonly List<(string Name, ulong[] Dimensions, uint Type, int ByteLength, ulong? Offset)> _tensors = [];
    private readonly Dictionary<string, byte[]> _contents = new(StringComparer.Ordinal);

    public uint Magic { get; set; } = 0x46554747;

    public uint Version { get; set; } = 3;

    public ulong? TensorCount { get; set; }

    public ulong? KeyCount { get; set; }

    /// <summary>A model of width 4 with one layer, 2 heads and the 256 bytes and four more tokens.</summary>
    public static GgufBuilder TinyModel()
    {
        string[] bytes = [.. Enumerable.Range(0, 256).Select(value =>
            GrpcLlm.Server.Backends.Embedded.ByteAlphabet.ToCharacter((byte)value).ToString())];
        var builder = new GgufBuilder()
            .Key("general.architecture", "llama")
            .Key("general.name", "tiny")
            .Key("llama.block_count", 1u)
            .Key("llama.context_length", 64u)
            .Key("llama.embedding_length", 4u)
            .Key("llama.feed_forward_length", 8u)
            .Key("llama.attention.head_count", 2u)
            .Key("llama.attention.layer_norm_rms_epsilon", 1e-5f)
            .Key("tokenizer.ggml.model", "gpt2")
            .Key("tokenizer.ggml.pre", "gpt-2")
            .Key("tokenizer.ggml.tokens", (string[])[.. bytes, "ab", "abc", "<user>", "<end>"])
            .Key("tokenizer.ggml.token_type", (int[])[.. Enumerable.Repeat(1, 258), 4, 3])
            .Key("tokenizer.ggml.merges", (string[])["a b", "ab c"])
            .Key("tokenizer.ggml.bos_token_id", 259u)
            .Key("tokenizer.ggml.eos_token_id", 259u)
            .Key("tokenizer.ggml.add_bos_token", true)
            .Tensor("token_embd.weight", 4, 260)
            .Tensor("output_norm.weight", 4)
            .Tensor("blk.0.attn_norm.weight", 4)
            .Tensor("blk.0.ffn_norm.weight", 4);
        foreach (string name in (string[])["attn_q", "attn_k", "attn_v", "attn_output"])
            builder.Tensor($"blk.0.{name}.weight", 4, 4);
        return builder
            .Tensor("blk.0.ffn_gate.weight", 4, 8)
            .Tensor("blk.0.ffn_up.weight", 4, 8)
            .Tensor("blk.0.ffn_down.weight", 8, 4);
    }

    /// <summary>A file that is right.</summary>
    public static GgufBuilder Of(string path)
    {
        using var file = GrpcLlm.Server.Backends.Embedded.GgufFile.Open(path);
        byte[] bytes = File.ReadAllBytes(path);
        var builder = new GgufBuilder();
        foreach (string key in file.Metadata.Keys) builder.Key(key, file.Metadata.Find(key));
        foreach (var tensor in file.Tensors.Values.OrderBy(tensor => tensor.Offset))
        {
            ulong[] dimensions = tensor.Rows == 1 ? [(ulong)tensor.Columns] : [(ulong)tensor.Columns, (ulong)tensor.Rows];
            builder.TensorOf(tensor.Name, dimensions, (uint)tensor.Type, (int)tensor.ByteLength);
            builder.Content(tensor.Name, bytes.AsSpan((int)tensor.Offset, (int)tensor.ByteLength).ToArray());
        }

        return builder;
    }

    /// <summary>Sets a key; null removes it.</summary>
    public GgufBuilder Key(string key, object? value)
    {
        if (value is null) _metadata.Remove(key);
        else _metadata[key] = value;
        return this;
    }

    public GgufBuilder Tensor(string name, params ulong[] dimensions) =>
        TensorOf(name, dimensions, 0, (int)dimensions.Aggregate((x, y) => x * y) * 4);

    /// <summary>Replaces or adds a tensor.</summary>
    public GgufBuilder TensorOf(string name, ulong[] dimensions, uint type, int byteLength, ulong? offset = null)
    {
        RemoveTensor(name);
        _contents.Remove(name);
        _tensors.Add((name, dimensions, type, byteLength, offset));
        return this;
    }

    /// <summary>Sets the bytes of a tensor that is there.</summary>
    public GgufBuilder Content(string name, byte[] content)
    {
        _contents[name] = content;
        return this;
    }

    public GgufBuilder RemoveTensor(string name)
    {
        _tensors.RemoveAll(tensor => string.Equals(tensor.Name, name, StringComparison.Ordinal));
        return this;
    }

    public byte[] Build()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(Magic);
        writer.Write(Version);
        writer.Write(TensorCount ?? (ulong)_tensors.Count);
        writer.Write(KeyCount ?? (ulong)_metadata.Count);
        foreach ((string key, object value) in _metadata)
        {
            WriteString(writer, key);
            WriteValue(writer, value);
        }

        ulong end = 0;
        foreach ((string name, ulong[] dimensions, uint type, int byteLength, ulong? offset) in _tensors)
        {
            WriteString(writer, name);
            writer.Write((uint)dimensions.Length);
            foreach (ulong dimension in dimensions) writer.Write(dimension);
            writer.Write(type);
            writer.Write(offset ?? end);
            end += (ulong)((byteLength + 31) / 32 * 32);
        }

        writer.Write(new byte[(32 - (stream.Length % 32)) % 32]);
        foreach ((string name, _, _, int byteLength, _) in _tensors)
        {
            byte[] content = _contents.GetValueOrDefault(name, []);
            writer.Write(content);
            writer.Write(new byte[((byteLength + 31) / 32 * 32) - content.Length]);
        }

        return stream.ToArray();
    }

    private static void WriteString(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static void WriteValue(BinaryWriter writer, object value)
    {
        if (value is Array array)
        {
            writer.Write(9u);
            writer.Write(TypeOf(array.GetType().GetElementType()!));
            writer.Write((ulong)array.Length);
            foreach (object item in array) WriteScalar(writer, item);
            return;
        }

        writer.Write(TypeOf(value.GetType()));
        WriteScalar(writer, value);
    }

    private static void WriteScalar(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case uint number: writer.Write(number); break;
            case int number: writer.Write(number); break;
            case float number: writer.Write(number); break;
            case ulong number: writer.Write(number); break;
            case bool flag: writer.Write(flag); break;
            case string text: WriteString(writer, text); break;
            default: throw new ArgumentException($"No type number for {value.GetType()}.", nameof(value));
        }
    }

    private static uint TypeOf(Type type) =>
        type == typeof(uint) ? 4u
        : type == typeof(int) ? 5u
        : type == typeof(float) ? 6u
        : type == typeof(bool) ? 7u
        : type == typeof(string) ? 8u
        : type == typeof(ulong) ? 10u
        : throw new ArgumentException($"No type number for {type}.", nameof(type));
}
