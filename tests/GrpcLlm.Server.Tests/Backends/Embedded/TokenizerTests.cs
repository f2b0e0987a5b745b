using System.Text;
using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

public sealed class TokenizerTests
{
    [Theory]
    [InlineData(TestModels.Default)]
    [InlineData(TestModels.SentencePiece)]
    public void Encode_AnyText_ComesBackUnchanged(string name)
    {
        Tokenizer tokenizer = TestModels.Model(name).Tokenizer;
        string[] pieces = ["a", " ", "The", "é", "☃", "😀", "\n", "1", "<|endoftext|>", "<s>", "'s", "\0", "日本"];
        var random = new Random(9);
        for (int round = 0; round < 300; round++)
        {
            string text = string.Concat(Enumerable.Range(0, 12).Select(_ => pieces[random.Next(pieces.Length)]));
            var assembler = new Utf8Assembler(tokenizer.Vocabulary);
            string back = string.Concat(tokenizer.Encode(text).Select(assembler.Append)) + assembler.Flush();

            // SentencePiece puts a space before every text.
            back.ShouldBe(name is TestModels.SentencePiece && text.Length > 0 ? " " + text : text);
        }
    }

    [Theory]
    [InlineData(TestModels.Default, "<|endoftext|>once<|endoftext|> again")]
    [InlineData(TestModels.SentencePiece, "<s>Hello</s> <unk> <0x41>")]
    public void Encode_NamesOfSpecialTokens_StayText(string name, string text)
    {
        Tokenizer tokenizer = TestModels.Model(name).Tokenizer;
        tokenizer.Encode(text).ShouldAllBe(id =>
            tokenizer.Vocabulary.KindOf(id) == TokenKind.Normal || tokenizer.Vocabulary.KindOf(id) == TokenKind.Byte);
    }

    [Fact]
    public void Encode_UserDefinedToken_IsAlwaysOneToken()
    {
        Tokenizer tokenizer = Tiny().Tokenizer;
        int[] end = [.. "<end>"u8.ToArray().Select(value => (int)value)]; // its bytes, each with the id of its value
        tokenizer.Encode("abc<user>ab<user><end>").ShouldBe([257, 258, 256, 258, .. end]);
    }

    [Theory]
    [InlineData("llama-bpe", true)]
    [InlineData("qwen2", false)]
    [InlineData("gpt-2", false)]
    public void Encode_WordThatIsATokenButNoMerge_IsTakenWholeByLlama3Alone(string splitter, bool isWhole)
    {
        Tokenizer tokenizer = Tiny(builder => builder
            .Key("tokenizer.ggml.pre", splitter).Key("tokenizer.ggml.merges", Array.Empty<string>()).Key("tokenizer.ggml.add_bos_token", null)).Tokenizer;
        tokenizer.Encode("abc").ShouldBe(isWhole ? [257] : ['a', 'b', 'c']);
        tokenizer.Encode("abcd").ShouldBe(['a', 'b', 'c', 'd']);
        tokenizer.Vocabulary.BeginOfText.ShouldBe(isWhole ? 259 : null); // by default
    }

    [Fact]
    public void Encode_ManyUserDefinedTokens_NeedsNoDeepStack()
    {
        string[] names = [.. Enumerable.Range(0, 4_000).Select(i => $"<u{i:0000}>")];
        string[] tokens = [.. Enumerable.Range(0, 256).Select(value => ByteAlphabet.ToCharacter((byte)value).ToString()), .. names];
        Tokenizer tokenizer = Tiny(builder => builder
            .Key("tokenizer.ggml.tokens", tokens).Key("tokenizer.ggml.merges", Array.Empty<string>())
            .Key("tokenizer.ggml.token_type", (int[])[.. Enumerable.Repeat(1, 256), .. Enumerable.Repeat(4, names.Length)])
            .Tensor("token_embd.weight", 4, (ulong)tokens.Length)).Tokenizer;
        tokenizer.Encode(string.Concat(names)).ShouldBe(Enumerable.Range(256, names.Length));
    }

    [Fact]
    public void Encode_LoneSurrogate_IsReadAsReplacementCharacter()
    {
        Tokenizer tokenizer = TestModels.Model(TestModels.Default).Tokenizer;
        tokenizer.Encode("a\ud83d").ShouldBe(tokenizer.Encode("a\uFFFD"));
        Tokenizer pieces = TestModels.Model(TestModels.SentencePiece).Tokenizer;
        pieces.Encode("a\ud83d").ShouldBe(pieces.Encode("a\uFFFD"));
    }

    [Theory]
    [InlineData(TestModels.Default)]
    [InlineData(TestModels.SentencePiece)]
    public void FewestTokens_ReferenceTexts_NeverExceedsTheCount(string name)
    {
        Tokenizer tokenizer = TestModels.Model(name).Tokenizer;
        foreach (ReferenceTokens entry in TestModels.Vectors(name).Tokenizer)
            tokenizer.FewestTokens(Encoding.UTF8.GetByteCount(entry.Text)).ShouldBeLessThanOrEqualTo(entry.Ids.Length);
    }

    [Fact]
    public void Encode_VeryLongWord_TakesNoQuadraticTime()
    {
        // A quadratic merge of so many bytes would take minutes.
        Tokenizer tokenizer = TestModels.Model(TestModels.Default).Tokenizer;
        tokenizer.Encode(new string('e', 500_000)).Count.ShouldBeGreaterThan(30_000);
    }

    private static EmbeddedModel Tiny(Action<GgufBuilder>? change = null)
    {
        GgufBuilder builder = GgufBuilder.TinyModel();
        change?.Invoke(builder);
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        File.WriteAllBytes(path, builder.Build());
        try
        {
            return EmbeddedModel.Load(path);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
