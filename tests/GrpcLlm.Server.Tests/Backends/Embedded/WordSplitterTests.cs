using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Tests.Backends.Embedded.Chat;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

public sealed class WordSplitterTests
{
    private static readonly string[] Names = ["gpt-2", "llama-bpe", "qwen2", "smollm", "default"];

    [Theory]
    [InlineData("gpt-2", "Hello world", "Hello| world")]
    [InlineData("gpt-2", "I'll we've 'tis it's DON'T", "I|'ll| we|'ve| '|tis| it|'s| DON|'|T")]
    [InlineData("gpt-2", "a  b   ", "a| | b|   ")]
    [InlineData("gpt-2", " a\n\nb", " a|\n|\n|b")]
    [InlineData("gpt-2", "\t x", "\t| x")]
    [InlineData("gpt-2", "x1y22 3", "x|1|y|22| 3")]
    [InlineData("gpt-2", "...!? ;", "...!?| ;")]
    [InlineData("gpt-2", "𝒜𝒷 𝟙😀", "𝒜𝒷| 𝟙|😀")]
    [InlineData("gpt-2", "é ½Ⅷ_", "é| ½Ⅷ|_")]
    [InlineData("gpt-2", "' '", "'| '")]
    [InlineData("gpt-2", " ", " ")]
    [InlineData("gpt-2", "\u00a0\u2003x", "\u00a0|\u2003|x")]
    [InlineData("llama-bpe", "DON'T 12345 x", "DON|'T| |123|45| x")]
    [InlineData("llama-bpe", "a\n\n b(c);\r\n\td", "a|\n\n| b|(c|);\r\n|\td")]
    [InlineData("qwen2", "DON'T 123", "DON|'T| |1|2|3")]
    [InlineData("smollm", "in 1985.", "in| |1|9|8|5|.")]
    [InlineData("default", "a+b 12345!", "a|+|b| |123|45|!")]
    public void Split_KnownText_GivesKnownWords(string name, string text, string words) =>
        WordsOf(name, text).ShouldBe(words.Split('|'));

    [Fact]
    public void Split_TextsOfEveryKind_CutsAsThePublishedPatternsDoOnCodePoints()
    {
        Cut[] cuts = ChatModels.Read<Cut[]>("words.json");
        cuts.Select(cut => cut.Splitter).Distinct().ShouldBe(Names);
        foreach (Cut cut in cuts) WordsOf(cut.Splitter, string.Concat(cut.Words)).ShouldBe(cut.Words);
    }

    [Fact]
    public void Split_AnyUnits_WordsMakeUpTheTextAndAreNotEmpty() => Properties.HoldsForSeeds(random =>
    {
        // Lone surrogates and unassigned characters too.
        var text = new string([.. Enumerable.Range(0, random.Next(60)).Select(_ =>
            (char)(random.Next(3) == 0 ? random.Next(0xD7F0, 0xE010) : random.Next(2) == 0 ? random.Next(0x250) : random.Next(0x10000)))]);
        foreach (string name in Names)
        {
            List<int> lengths = WordSplitter.Find(name)!.Split(text);
            lengths.ShouldAllBe(length => length > 0);
            lengths.Sum().ShouldBe(text.Length);
        }
    });

    [Theory]
    [InlineData(' ')]
    [InlineData('\n')]
    [InlineData('a')]
    [InlineData('1')]
    [InlineData('.')]
    public void Split_LongRun_TakesNoQuadraticTime(char character)
    {
        // Quadratic backtracking over so many would take minutes.
        string run = new string(character, 300_000) + "x";
        foreach (string name in Names) WordSplitter.Find(name)!.Split(run).Sum().ShouldBe(run.Length);
    }

    [Fact]
    public void Find_UnknownName_IsNull() => WordSplitter.Find("tekken").ShouldBeNull();

    private static List<string> WordsOf(string name, string text)
    {
        var words = new List<string>();
        int start = 0;
        foreach (int length in WordSplitter.Find(name)!.Split(text))
        {
            words.Add(text.Substring(start, length));
            start += length;
        }

        return words;
    }

    private sealed record Cut(string Splitter, string[] Words);
}
