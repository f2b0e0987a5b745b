using System.Collections.Frozen;
using System.Xml;

namespace GrpcLlm.Pages;

/// <summary>
/// Writes HTML that is well-formed XML too: whatever is opened is closed, and every text and attribute is escaped, so that
/// a name from outside cannot become markup. Not thread-safe.
/// </summary>
internal sealed class Markup : IDisposable
{
    /// <summary>What HTML and SVG let end without a closing tag; all else has one, or a browser would not see its end.</summary>
    private static readonly FrozenSet<string> Void =
        FrozenSet.Create(StringComparer.Ordinal, "meta", "link", "br", "hr", "img", "input", "path", "rect", "line", "circle");

    private readonly XmlWriter _writer;
    private readonly Stack<string> _open = new();

    /// <summary>Writes to an output that stays open.</summary>
    public Markup(TextWriter output) =>
        _writer = XmlWriter.Create(output, new XmlWriterSettings { OmitXmlDeclaration = true, NewLineHandling = NewLineHandling.None });

    /// <summary>Begins the document: <c>&lt;!DOCTYPE html&gt;</c>.</summary>
    public void DocumentType() => _writer.WriteRaw("<!DOCTYPE html>\n");

    /// <summary>An element around what is written until the result is disposed. An attribute whose value is null is left out.</summary>
    public Scope In(string name, params ReadOnlySpan<(string Name, string? Value)> attributes)
    {
        Start(name, attributes);
        return new Scope(this);
    }

    /// <summary>An element with nothing in it.</summary>
    public void Empty(string name, params ReadOnlySpan<(string Name, string? Value)> attributes)
    {
        Start(name, attributes);
        End();
    }

    /// <summary>An element with text in it.</summary>
    public void Element(string name, string text, params ReadOnlySpan<(string Name, string? Value)> attributes)
    {
        Start(name, attributes);
        Text(text);
        End();
    }

    /// <summary>Text.</summary>
    public void Text(string text) => _writer.WriteString(Clean(text));

    /// <summary>The style sheet, which HTML reads as it is. It is our own file and holds neither <c>&lt;</c> nor <c>&amp;</c>.</summary>
    public void Style(string css)
    {
        Start("style", []);
        _writer.WriteRaw(css);
        End();
    }

    /// <summary>A script, which HTML reads as it is; the same holds for it.</summary>
    public void Script(string script)
    {
        Start("script", []);
        _writer.WriteRaw(script);
        End();
    }

    /// <summary>Ends the document.</summary>
    public void Dispose() => _writer.Dispose();

    /// <summary>Text without the characters that no XML document may hold, lone surrogates among them; U+FFFD stands for each.</summary>
    internal static string Clean(string text)
    {
        var index = 0;
        while (index < text.Length && XmlConvert.IsXmlChar(text[index])) index++;
        if (index == text.Length) return text;
        return string.Create(text.Length, text, static (clean, dirty) =>
        {
            for (var i = 0; i < dirty.Length; i++)
            {
                if (i + 1 < dirty.Length && XmlConvert.IsXmlSurrogatePair(dirty[i + 1], dirty[i]))
                {
                    clean[i] = dirty[i];
                    clean[++i] = dirty[i];
                }
                else
                {
                    clean[i] = XmlConvert.IsXmlChar(dirty[i]) ? dirty[i] : '\uFFFD';
                }
            }
        });
    }

    private void Start(string name, ReadOnlySpan<(string Name, string? Value)> attributes)
    {
        _writer.WriteStartElement(name);
        _open.Push(name);
        foreach (var (key, value) in attributes)
        {
            if (value is not null) _writer.WriteAttributeString(key, Clean(value));
        }
    }

    private void End()
    {
        if (Void.Contains(_open.Pop())) _writer.WriteEndElement();
        else _writer.WriteFullEndElement();
    }

    /// <summary>An open element.</summary>
    public readonly struct Scope(Markup owner) : IDisposable
    {
        /// <summary>Closes it.</summary>
        public void Dispose() => owner.End();
    }
}
