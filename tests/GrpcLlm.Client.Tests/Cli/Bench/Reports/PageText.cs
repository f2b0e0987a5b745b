using System.Security.Cryptography;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace GrpcLlm.Client.Tests.Cli.Bench.Reports;

/// <summary>A written page, read as the XML that it is, and held to what every page promises.</summary>
internal sealed class PageText
{
    private static readonly string[] AllowedSchemes = ["#", "data:application/json;base64,"];

    public PageText(string text)
    {
        Text = text;
        using var reader = XmlReader.Create(new StringReader(text), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        Document = XDocument.Load(reader);
    }

    public string Text { get; }

    public XDocument Document { get; }

    /// <summary>What a reader sees, without the style sheet.</summary>
    public string Words => string.Join(' ', Document.Descendants("body").DescendantNodes().OfType<XText>().Select(node => node.Value));

    public XElement? Find(string id) => Document.Descendants().FirstOrDefault(element => element.Attribute("id")?.Value == id);

    /// <summary>No script, no style but the one that the policy names, no reference to anything outside, no id twice, all labels there.</summary>
    public void ShouldStandAlone()
    {
        Document.DocumentType.ShouldBeNull();
        Text.ShouldStartWith("<!DOCTYPE html>");
        string[] active = ["script", "link", "iframe", "object", "embed", "img", "image", "base", "form", "foreignObject", "use"];
        Document.Descendants().Where(element => active.Contains(element.Name.LocalName)).ShouldBeEmpty();
        var attributes = Document.Descendants().Attributes().ToList();
        attributes.Where(attribute => attribute.Name.LocalName == "style" || attribute.Name.LocalName.StartsWith("on", StringComparison.Ordinal)).ShouldBeEmpty();
        attributes.Where(attribute => attribute.Name.LocalName is "href" or "src").Select(attribute => attribute.Value)
            .ShouldAllBe(value => AllowedSchemes.Any(scheme => value.StartsWith(scheme, StringComparison.Ordinal)));
        attributes.Select(attribute => attribute.Value).Where(value => value.Contains("url(")).ShouldAllBe(value => value.StartsWith("url(#", StringComparison.Ordinal));

        var style = Document.Descendants("style").Single().Value;
        style.ShouldNotContain("url(");
        style.ShouldNotContain("@import");
        var policy = Document.Descendants("meta").Single(meta => meta.Attribute("http-equiv")?.Value == "Content-Security-Policy").Attribute("content")!.Value;
        policy.ShouldBe($"default-src 'none'; style-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(style)))}'; base-uri 'none'; form-action 'none'");

        var ids = attributes.Where(attribute => attribute.Name.LocalName == "id").Select(attribute => attribute.Value).ToList();
        ids.ShouldBeUnique();
        var named = attributes.Where(attribute => attribute.Name.LocalName is "aria-labelledby" or "aria-describedby").SelectMany(attribute => attribute.Value.Split(' '))
            .Concat(attributes.Where(attribute => attribute.Name.LocalName == "href" && attribute.Value.StartsWith('#')).Select(attribute => attribute.Value[1..]))
            .Concat(attributes.Where(attribute => attribute.Value.StartsWith("url(#", StringComparison.Ordinal)).Select(attribute => attribute.Value[5..^1]));
        named.Distinct().Except(ids).ShouldBeEmpty();

        foreach (var plot in Document.Descendants("svg").Where(svg => svg.Attribute("class")?.Value == "plot"))
        {
            plot.Attribute("role")!.Value.ShouldBe("img");
            plot.Elements("title").Single().Value.ShouldNotBeEmpty();
            plot.Elements("desc").Single().Value.ShouldNotBeEmpty();
            plot.Ancestors("figure").Single().Descendants("details").Descendants("td").ShouldNotBeEmpty();
        }
    }
}
