using System.Xml.Linq;
using GrpcLlm.Pages;

namespace GrpcLlm.Client.Tests.Pages;

public sealed class MarkupTests
{
    [Fact]
    public void Text_WithMarkupInIt_StaysText()
    {
        const string Hostile = "</p><script>alert('1')</script> & \"x\"";

        var document = Write(markup => markup.Element("p", Hostile, ("title", Hostile)));

        document.Root!.Elements().ShouldBeEmpty();
        document.Root.Value.ShouldBe(Hostile);
        document.Root.Attribute("title")!.Value.ShouldBe(Hostile);
    }

    [Theory]
    [InlineData("a\0b\u001bc", "a\uFFFDb\uFFFDc")]
    [InlineData("pair \U0001F600 \uFFFE", "pair \U0001F600 \uFFFD")]
    [InlineData("tab\tline\n", "tab\tline\n")]
    public void Text_WithCharactersThatNoDocumentMayHold_HasReplacements(string text, string expected) =>
        Write(markup => markup.Element("p", text)).Root!.Value.ShouldBe(expected);

    [Fact]
    public void Text_WithHalfACharacter_HasAReplacement()
    {
        // Here and not above: an attribute's text is kept as UTF-8, which has no halves.
        Write(markup => markup.Element("p", "\uD83D one")).Root!.Value.ShouldBe("\uFFFD one");
        Write(markup => markup.Element("p", "one \uDE00")).Root!.Value.ShouldBe("one \uFFFD");
        Write(markup => markup.Element("p", "\uDE00\uD83D", ("title", "\uD83D"))).Root!.Attribute("title")!.Value.ShouldBe("\uFFFD");
    }

    [Fact]
    public void Element_WithNothingInIt_IsClosedAsABrowserNeedsIt()
    {
        var text = WriteText(markup =>
        {
            using (markup.In("div"))
            {
                markup.Empty("meta", ("charset", "utf-8"), ("content", null));
                markup.Empty("span");
            }
        });

        text.ShouldBe("<div><meta charset=\"utf-8\" /><span></span></div>");
    }

    private static XDocument Write(Action<Markup> content) => XDocument.Parse(WriteText(content), LoadOptions.PreserveWhitespace);

    private static string WriteText(Action<Markup> content)
    {
        using var output = new StringWriter();
        using (var markup = new Markup(output)) content(markup);
        return output.ToString();
    }
}
