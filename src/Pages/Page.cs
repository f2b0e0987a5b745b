using System.Security.Cryptography;
using System.Text;

namespace GrpcLlm.Pages;

/// <summary>
/// A page that needs nothing but itself: no script, no request, one style sheet. It works from a file opened offline and
/// under a policy that allows nothing else.
/// </summary>
internal static class Page
{
    private static readonly string Css = ReadCss();

    /// <summary>What a browser may load for such a page: its own style sheet, by its hash, and nothing else.</summary>
    public static readonly string ContentSecurityPolicy =
        $"default-src 'none'; style-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Css)))}'; "
        + "base-uri 'none'; form-action 'none'";

    /// <summary>Writes a page.</summary>
    /// <param name="output">Where to; it stays open.</param>
    /// <param name="title">Title of the window.</param>
    /// <param name="body">Writes what is in <c>main</c>.</param>
    public static void Write(TextWriter output, string title, Action<Markup> body)
    {
        using var page = new Markup(output);
        page.DocumentType();
        using (page.In("html", ("lang", "en")))
        {
            using (page.In("head"))
            {
                page.Empty("meta", ("charset", "utf-8"));
                page.Empty("meta", ("http-equiv", "Content-Security-Policy"), ("content", ContentSecurityPolicy));
                page.Empty("meta", ("name", "viewport"), ("content", "width=device-width, initial-scale=1"));
                page.Empty("meta", ("name", "color-scheme"), ("content", "light dark"));
                page.Element("title", title);
                page.Style(Css);
            }

            using (page.In("body"))
            using (page.In("main"))
            {
                body(page);
            }
        }
    }

    private static string ReadCss()
    {
        using var stream = typeof(Page).Assembly.GetManifestResourceStream("GrpcLlm.Pages.page.css")!;
        using var reader = new StreamReader(stream, Encoding.UTF8);

        // A browser hashes the text with line feeds, whatever the file was checked out with.
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
