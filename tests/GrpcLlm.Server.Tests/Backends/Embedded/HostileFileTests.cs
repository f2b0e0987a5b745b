using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>Broken, cut, hostile and foreign files: each is refused by a message that names what is wrong.</summary>
public sealed class HostileFileTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Load_TinyModel_Works()
    {
        EmbeddedModel model = Load(GgufBuilder.TinyModel().Build());
        model.Name.ShouldBe("tiny");
        model.Network.Shape.KeyValueHeads.ShouldBe(2);
        model.Network.Shape.RopeDimensions.ShouldBe(2);
    }

    [Fact]
    public void Load_FileCutAnywhere_IsRefused()
    {
        byte[] whole = GgufBuilder.TinyModel().Build();
        for (int length = 0; length < whole.Length; length += length < 400 ? 1 : 97) Refuse(whole[..length]);
        Refuse(whole[..^1]);
    }

    [Fact]
    public void Load_AnyByteOfTheHeadChanged_IsRefusedOrLoads()
    {
        byte[] whole = GgufBuilder.TinyModel().Build();
        var random = new Random(11);
        for (int round = 0; round < 1500; round++)
        {
            byte[] changed = [.. whole];
            changed[random.Next(6000)] = (byte)random.Next(256);
            File.WriteAllBytes(_path, changed);
            try
            {
                EmbeddedModel.Load(_path);
            }
            catch (EmbeddedModelException error)
            {
                error.Message.ShouldNotBeEmpty();
            }
        }
    }

    [Fact]
    public void Load_NoFile_IsRefused() => Should.Throw<EmbeddedModelException>(() =>
        EmbeddedModel.Load(_path)).Message.ShouldContain(_path);

    [Fact]
    public void Load_NotGguf_IsRefused() => Refuse(new GgufBuilder { Magic = 0x12345678 }.Build(), "not GGUF");

    [Theory]
    [InlineData(1u, "version 1")]
    [InlineData(2u, "version 2")]
    [InlineData(4u, "version 4")]
    [InlineData(3u << 24, "big-endian")]
    public void Load_OtherVersion_IsRefused(uint version, string message) =>
        Refuse(new GgufBuilder { Version = version }.Build(), message);

    [Theory]
    [InlineData(1_000_000ul)]
    [InlineData(ulong.MaxValue)]
    public void Load_MoreAnnouncedThanTheFileHolds_IsRefusedBeforeAnythingIsAllocated(ulong count)
    {
        GgufBuilder tensors = GgufBuilder.TinyModel();
        tensors.TensorCount = count;
        GgufBuilder keys = GgufBuilder.TinyModel();
        keys.KeyCount = count;
        byte[][] files = [tensors.Build(), keys.Build()];
        foreach (byte[] file in files) Refuse(file, $"{count} items announced");
        foreach (byte[] file in files)
        {
            File.WriteAllBytes(_path, file);
            long before = GC.GetAllocatedBytesForCurrentThread();
            Should.Throw<EmbeddedModelException>(() => EmbeddedModel.Load(_path));
            (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1 << 20);
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(8)]
    public void Load_ArrayLongerThanTheFile_IsRefused(uint elementType)
    {
        // A key "x" with an array of 2^40 numbers or strings.
        byte[] file =
        [
            .. "GGUF"u8, .. BitConverter.GetBytes(3u), .. BitConverter.GetBytes(0ul), .. BitConverter.GetBytes(1ul),
            .. BitConverter.GetBytes(1ul), (byte)'x', .. BitConverter.GetBytes(9u),
            .. BitConverter.GetBytes(elementType), .. BitConverter.GetBytes(1ul << 40), .. new byte[100],
        ];
        Refuse(file, "metadata key 'x' (1099511627776 items announced)");
    }

    [Fact]
    public void Load_StringLongerThanTheFile_IsRefused()
    {
        byte[] file =
        [
            .. "GGUF"u8, .. BitConverter.GetBytes(3u), .. BitConverter.GetBytes(0ul), .. BitConverter.GetBytes(1ul),
            .. BitConverter.GetBytes(long.MaxValue), .. new byte[100],
        ];
        Refuse(file, "the name of metadata key 0");
    }

    [Theory]
    [InlineData(12u, "Q4_K")]
    [InlineData(14u, "Q6_K")]
    [InlineData(30u, "BF16")]
    [InlineData(2u, "Q4_0")]
    [InlineData(77u, "77")]
    public void Load_OtherTensorType_IsRefusedByName(uint type, string name) =>
        Refuse(WithOutputNorm([4], type, 16), "'output_norm.weight'", name);

    [Theory]
    [InlineData(new ulong[0], "0 dimensions")]
    [InlineData(new ulong[] { 1, 1, 1, 1, 1 }, "5 dimensions")]
    [InlineData(new ulong[] { 4, 0 }, "dimension of 0")]
    [InlineData(new ulong[] { ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue }, "more than")]
    [InlineData(new ulong[] { 1ul << 32, 1ul << 32 }, "more than")]
    [InlineData(new ulong[] { 1, 1ul << 62 }, "more than")]
    [InlineData(new ulong[] { 1_000_000 }, "outside the file")]
    [InlineData(new ulong[] { 8 }, "1 rows of 8 values; must have 1 rows of 4")]
    [InlineData(new ulong[] { 4, 2 }, "2 rows of 4 values; must have 1 rows of 4")]
    public void Load_WrongDimensions_IsRefused(ulong[] dimensions, string message) =>
        Refuse(WithOutputNorm(dimensions, 0, 32), "'output_norm.weight'", message);

    [Theory]
    [InlineData(32ul * 1_000_000)]
    [InlineData(1ul << 63)]
    [InlineData(ulong.MaxValue - 31)]
    [InlineData(33ul)]
    public void Load_OffsetOutsideOrMisaligned_IsRefused(ulong offset) =>
        Refuse(WithOutputNorm([4], 0, 16, offset), "'output_norm.weight'");

    [Fact]
    public void Load_RowsNotWholeBlocks_IsRefused() =>
        Refuse(WithOutputNorm([4], 8, 34), "rows of 4 values, which Q8_0 cannot hold");

    [Fact]
    public void Load_TensorMissing_IsRefused() =>
        Refuse(GgufBuilder.TinyModel().RemoveTensor("blk.0.attn_k.weight").Build(), "'blk.0.attn_k.weight' is missing");

    [Fact]
    public void Load_TensorNobodyKnows_IsRefused() =>
        Refuse(GgufBuilder.TinyModel().Tensor("blk.0.attn_q.bias", 4).Build(), "'blk.0.attn_q.bias' is not known");

    public static TheoryData<string, object?, string> WrongKeys => new()
    {
        { "general.architecture", "mamba", "'mamba'" },
        { "general.architecture", null, "general.architecture is missing" },
        { "general.architecture", 3u, "must be a string" },
        { "general.alignment", 48u, "power of two" },
        { "llama.block_count", null, "llama.block_count is missing" },
        { "llama.block_count", 2u, "'blk.1.attn_norm.weight' is missing" },
        { "llama.block_count", uint.MaxValue, "llama.block_count is 4294967295" },
        { "llama.context_length", 0u, "llama.context_length is 0" },
        { "llama.context_length", ulong.MaxValue, "llama.context_length is" },
        { "llama.embedding_length", "4", "must be a whole number" },
        { "llama.attention.head_count", 3u, "not a multiple of llama.attention.head_count 3" },
        { "llama.attention.head_count_kv", 3u, "llama.attention.head_count_kv is 3" },
        { "llama.attention.key_length", 3u, "llama.attention.key_length is 3" },
        { "llama.attention.layer_norm_rms_epsilon", float.NaN, "llama.attention.layer_norm_rms_epsilon is NaN" },
        { "llama.rope.dimension_count", 3u, "llama.rope.dimension_count is 3" },
        { "llama.rope.freq_base", -1f, "llama.rope.freq_base is -1" },
        { "llama.rope.scaling.type", "yarn", "llama.rope.scaling.type = yarn" },
        { "llama.rope.scaling.factor", -8f, "llama.rope.scaling.factor is -8" },
        { "llama.rope.scaling.attn_factor", 2f, "llama.rope.scaling.attn_factor = 2" },
        { "llama.expert_count", 8u, "llama.expert_count = 8" },
        { "llama.something_new", 1u, "llama.something_new = 1" },
        { "llama.vocab_size", 5u, "llama.vocab_size is 5" },
        { "tokenizer.ggml.model", "bert", "'bert'" },
        { "tokenizer.ggml.pre", "tekken", "'tekken'; only these are known: default, falcon3, gpt-2" },
        { "tokenizer.ggml.tokens", new[] { "a" }, "tokenizer.ggml.token_type has 260 entries for 1 tokens" },
        { "tokenizer.ggml.tokens", new[] { 1u }, "must be an array of String" },
        { "tokenizer.ggml.token_type", null, "tokenizer.ggml.tokens[258]" },
        { "tokenizer.ggml.token_type", Enumerable.Repeat(9, 260).ToArray(), "tokenizer.ggml.token_type[0] is 9" },
        { "tokenizer.ggml.merges", null, "tokenizer.ggml.merges is missing" },
        { "tokenizer.ggml.merges", new[] { "a b", "b c" }, "tokenizer.ggml.merges[1]" },
        { "tokenizer.ggml.merges", new[] { "ab" }, "tokenizer.ggml.merges[0]" },
        { "tokenizer.ggml.bos_token_id", 260u, "tokenizer.ggml.bos_token_id is 260" },
        { "tokenizer.ggml.bos_token_id", null, "tokenizer.ggml.bos_token_id is missing" },
        { "tokenizer.ggml.add_eos_token", true, "tokenizer.ggml.add_eos_token" },
    };

    [Theory]
    [MemberData(nameof(WrongKeys))]
    public void Load_KeyThatCannotBeHonoured_IsRefusedByName(string key, object? value, string message)
    {
        GgufBuilder builder = GgufBuilder.TinyModel().Key(key, value);
        if (key is "tokenizer.ggml.token_type" && value is null)
            builder.Key("tokenizer.ggml.tokens", WithForeignCharacter());
        Refuse(builder.Build(), message);
    }

    [Theory]
    [InlineData("tokenizer.ggml.scores", null, "tokenizer.ggml.scores is missing")]
    [InlineData("tokenizer.ggml.scores", new[] { 1f, 2f }, "tokenizer.ggml.scores has 2 entries for 260 tokens")]
    [InlineData("tokenizer.ggml.remove_extra_whitespaces", true, "tokenizer.ggml.remove_extra_whitespaces")]
    [InlineData("tokenizer.ggml.precompiled_charsmap", "x", "tokenizer.ggml.precompiled_charsmap")]
    [InlineData("tokenizer.ggml.add_space_prefix", 1u, "tokenizer.ggml.add_space_prefix must be a boolean")]
    [InlineData("tokenizer.ggml.add_space_prefix", true, "neither <0x00>")]
    public void Load_SentencePieceKeyThatCannotBeHonoured_IsRefusedByName(string key, object? value, string message)
    {
        GgufBuilder builder = GgufBuilder.TinyModel()
            .Key("tokenizer.ggml.model", "llama")
            .Key("tokenizer.ggml.scores", new float[260]);
        Refuse(builder.Key(key, value).Build(), message);
    }

    [Theory]
    [InlineData("llama.rope.scaling.type", "none")]
    [InlineData("llama.rope.scaling.factor", 1f)]
    [InlineData("llama.rope.scaling.factor", 0f)]
    [InlineData("llama.rope.scaling.type", "linear")]
    [InlineData("llama.expert_count", 0u)]
    [InlineData("llama.attention.key_length", 2u)]
    public void Load_KeyThatChangesNothing_Loads(string key, object value) =>
        Load(GgufBuilder.TinyModel().Key(key, value).Build()).Name.ShouldBe("tiny");

    [Theory]
    [InlineData("general.architecture")]
    [InlineData("tokenizer.ggml.pre")]
    [InlineData("llama.rope.scaling.type")]
    public void Load_WordsOfAnyLengthInAMessage_AreCutToALine(string key)
    {
        byte[] file = GgufBuilder.TinyModel().Key(key, "a\r\nforged " + new string('x', 100_000)).Build();
        string message = Should.Throw<EmbeddedModelException>(() => Load(file)).Message;
        message.Length.ShouldBeLessThanOrEqualTo(1001);
        message.ShouldContain("a  forged");
    }

    [Fact]
    public void Load_NamesOfAnyLength_AreCutToALine()
    {
        EmbeddedModel model = Load(GgufBuilder.TinyModel()
            .Key("general.name", "a\n" + new string('x', 97) + "😀" + new string('y', 100_000))
            .Key("general.description", new string('d', 100_000))
            .Key("general.author", new string('z', 100)).Build());
        model.Name.ShouldBe("a " + new string('x', 97) + "…");
        model.Description.ShouldBe(new string('d', 1000) + "…");
        model.Author.ShouldBe(new string('z', 100));
    }

    [Fact]
    public void Load_ByteMissing_IsRefusedUnlessItIsNeverNeededOrThereIsATokenForTheUnknown()
    {
        string[] tokens = [.. Enumerable.Range(0, 256).Select(value => ByteAlphabet.ToCharacter((byte)value).ToString()), "ab", "abc", "<user>", "<end>"];
        tokens[0xC0] = tokens[0xFF] = "never";
        Load(GgufBuilder.TinyModel().Key("tokenizer.ggml.tokens", tokens).Build());
        tokens['q'] = "gone";
        Refuse(GgufBuilder.TinyModel().Key("tokenizer.ggml.tokens", tokens).Build(), "no token for the byte 0x71");
        Load(GgufBuilder.TinyModel().Key("tokenizer.ggml.tokens", tokens).Key("tokenizer.ggml.unknown_token_id", 259u).Build())
            .Tokenizer.Encode("aq").ShouldBe(['a', 259]);
    }

    private static byte[] WithOutputNorm(ulong[] dimensions, uint type, int byteLength, ulong? offset = null) =>
        GgufBuilder.TinyModel().TensorOf("output_norm.weight", dimensions, type, byteLength, offset).Build();

    private static string[] WithForeignCharacter()
    {
        IEnumerable<char> bytes = Enumerable.Range(0, 256).Select(value => ByteAlphabet.ToCharacter((byte)value));
        return [.. bytes.Select(character => character.ToString()), "ab", "abc", "日本", "<end>"];
    }

    private EmbeddedModel Load(byte[] file)
    {
        File.WriteAllBytes(_path, file);
        return EmbeddedModel.Load(_path);
    }

    private void Refuse(byte[] file, params string[] message)
    {
        EmbeddedModelException error = Should.Throw<EmbeddedModelException>(() => Load(file));
        foreach (string part in message) error.Message.ShouldContain(part, Case.Sensitive);
    }
}
