using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace GrpcLlm.Pages;

/// <summary>
/// What stands in a page beside its content: the one style sheet, with styles and a script of the page's own where it has
/// them. A browser is told the hash of each, so it takes nothing else. Immutable.
/// </summary>
internal sealed class PageParts
{
    /// <summary>The style sheet alone.</summary>
    public static readonly PageParts Common = new("", "");

    /// <param name="styles">Styles that come after the common ones; neither <c>&lt;</c> nor <c>&amp;</c> in them.</param>
    /// <param name="script">A script, which may ask the page's own server; neither <c>&lt;</c> nor <c>&amp;</c> in it. Empty: none.</param>
    public PageParts(string styles, string script)
    {
        Styles = Read(typeof(PageParts).Assembly, "GrpcLlm.Pages.page.css") + styles;
        Script = script;
        var forScript = script.Length == 0 ? "" : $" script-src '{HashOf(script)}'; connect-src 'self';";
        ContentSecurityPolicy = $"default-src 'none'; style-src '{HashOf(Styles)}';{forScript} base-uri 'none'; form-action 'none'";
    }

    /// <summary>All styles.</summary>
    public string Styles { get; }

    /// <summary>The script; empty: none.</summary>
    public string Script { get; }

    /// <summary>What a browser may load and run.</summary>
    public string ContentSecurityPolicy { get; }

    /// <summary>Text that is embedded in an assembly.</summary>
    public static string Read(Assembly assembly, string name)
    {
        using var stream = assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream, Encoding.UTF8);

        // A browser hashes the text with line feeds, whatever the file was checked out with.
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }

    private static string HashOf(string text) => "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
