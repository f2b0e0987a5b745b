using System.Text;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Embedded.Chat;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Chat;

public sealed class ChatFormatTests : IDisposable
{
    private static readonly string[] Marks = [ChatModels.Start, ChatModels.End];

    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
    private EmbeddedModel? _model;

    public void Dispose()
    {
        _model?.Dispose();
        File.Delete(_path);
    }

    [Fact]
    public void Encode_Conversation_MakesMarksOfTheTemplateSpecial()
    {
        EmbeddedModel model = Load(ChatModels.Template("chatml"));
        Tokens(model, Chats.Of((Role.System, "Be brief."), (Role.User, "Hello"))).ShouldBe(
        [
            2047, 2045, .. Plain(model, "system\nBe brief."), 2046, .. Plain(model, "\n"),
            2045, .. Plain(model, "user\nHello"), 2046, .. Plain(model, "\n"), 2045, .. Plain(model, "assistant\n"),
        ]);
    }

    [Fact]
    public void Encode_TemplateWritesTheBeginning_HasItOnce()
    {
        EmbeddedModel model = Load("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}");
        Tokens(model, Chats.Of((Role.User, "Hello"))).ShouldBe([2047, .. Plain(model, "Hello"), 2047]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Encode_MarksInAMessage_StayText(bool areUserDefined)
    {
        EmbeddedModel model = Load(ChatModels.Template("chatml"), areUserDefined ? TokenKind.UserDefined : TokenKind.Control);
        string[] pieces = [.. Marks, "<|endoftext|>", "<|im_", "start|>", "\n", "system", "Obey", " ", "<", "|>", "{{ bos_token }}", "é"];
        Properties.HoldsForSeeds(
            random =>
            {
                string text = string.Concat(Enumerable.Range(0, 10).Select(_ => pieces[random.Next(pieces.Length)]));
                int[] tokens = Tokens(model, Chats.Of((Role.System, text), (Role.User, text)));

                // Three turns begin, two of them end, and the text of all tokens is what the template wrote.
                tokens.Where(id => id >= 2045).ShouldBe([2047, 2045, 2046, 2045, 2046, 2045]);
                TextOf(model, tokens).ShouldBe(
                    $"<|endoftext|><|im_start|>system\n{text}<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n");
            },
            100);
    }

    [Fact]
    public void Encode_MarkThatATemplateAndAMessageWriteTogether_StaysText()
    {
        EmbeddedModel model = Load("<|im_{{ messages[0].content }}<|im_start|>");
        Tokens(model, Chats.Of((Role.User, "end|>"))).Where(id => id >= 2045).ShouldBe([2047, 2045]);
    }

    [Fact]
    public void Encode_UserDefinedTokenThatIsNoMark_IsOneTokenInAMessageToo()
    {
        EmbeddedModel model = Load("{{ messages[0].content }}", TokenKind.UserDefined);
        Tokens(model, Chats.Of((Role.User, "a<|im_end|>"))).ShouldBe([2047, .. Plain(model, "a"), 2046]);
    }

    [Fact]
    public void Encode_SentencePieceModel_MakesItsEndSpecialWhereTheTemplateWritesIt()
    {
        GgufBuilder builder = GgufBuilder.Of(TestModels.PathOf(TestModels.SentencePiece));
        File.WriteAllBytes(_path, builder.Key("tokenizer.chat_template", ChatModels.Template("zephyr")).Build());
        _model = EmbeddedModel.Load(_path);
        Vocabulary vocabulary = _model.Vocabulary;

        int[] tokens = Tokens(_model, Chats.Of((Role.User, "Hi</s>"), (Role.Assistant, "Ho"), (Role.User, "<s>")));

        tokens[0].ShouldBe(vocabulary.BeginToken!.Value);
        tokens.Count(id => vocabulary.KindOf(id) == TokenKind.Control).ShouldBe(4);
        tokens.Count(id => id == vocabulary.EndToken).ShouldBe(3);
    }

    [Theory]
    [InlineData("{% macro x() %}{% endmacro %}", "the statement 'macro' is not known")]
    [InlineData("{{ messages | tojson }}", "the filter 'tojson' is not known")]
    [InlineData("Hello", "it leaves out what the user says")]
    [InlineData("{{ raise_exception('no users') }}", "no users")]
    public void Load_TemplateNotUnderstood_IsAModelWithoutAChatFormatThatSaysWhy(string template, string problem)
    {
        EmbeddedModel model = Load(template);
        model.Chat.ShouldBeNull();
        model.ChatProblem.ShouldNotBeNull().ShouldContain(problem);
    }

    [Fact]
    public void Load_TemplateIsNoText_IsRefused()
    {
        File.WriteAllBytes(_path, GgufBuilder.TinyModel().Key("tokenizer.chat_template", 5u).Build());
        Should.Throw<EmbeddedModelException>(() => EmbeddedModel.Load(_path)).Message.ShouldContain("tokenizer.chat_template");
    }

    [Theory]
    [InlineData("<|eot_id|>")]
    [InlineData("<|im_end|>")]
    [InlineData("<end_of_turn>")]
    public void Load_NameThatEndsATurn_IsAnEnd(string name)
    {
        ChatModels.Write(_path, null, [name]);
        _model = EmbeddedModel.Load(_path);
        _model.Vocabulary.EndTokens.ShouldBe([2047, 2046]);
    }

    [Theory]
    [InlineData("eot_token_id")]
    [InlineData("eom_token_id")]
    public void Load_KeyThatNamesAnEnd_IsAnEnd(string key)
    {
        File.WriteAllBytes(_path, GgufBuilder.TinyModel().Key("tokenizer.ggml." + key, 258u).Build());
        _model = EmbeddedModel.Load(_path);
        _model.Vocabulary.EndTokens.ShouldBe([259, 258]);
    }

    private EmbeddedModel Load(string template, TokenKind kind = TokenKind.Control)
    {
        ChatModels.Write(_path, template, Marks, kind);
        return _model = EmbeddedModel.Load(_path);
    }

    private static int[] Tokens(EmbeddedModel model, GenerateRequest request)
    {
        ChatFormat chat = model.Chat.ShouldNotBeNull();
        return chat.Encode(chat.Write(request));
    }

    // Without the model's own beginning and special tokens.
    private static IEnumerable<int> Plain(EmbeddedModel model, string text) => model.Tokenizer.Encode(text);

    private static string TextOf(EmbeddedModel model, int[] tokens) =>
        Encoding.UTF8.GetString([.. tokens.SelectMany(id => model.Vocabulary.BytesOf(id).ToArray())]);
}
