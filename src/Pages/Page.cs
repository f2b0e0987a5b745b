namespace GrpcLlm.Pages;

/// <summary>
/// A page that needs nothing but itself: one style sheet, and no script or request unless it brings its own. It works from a
/// file opened offline and under a policy that allows nothing else.
/// </summary>
internal static class Page
{
    /// <summary>What a browser may load for such a page: its own style sheet, by its hash, and nothing else.</summary>
    public static readonly string ContentSecurityPolicy = PageParts.Common.ContentSecurityPolicy;

    /// <summary>Writes a page.</summary>
    /// <param name="output">Where to; it stays open.</param>
    /// <param name="title">Title of the window.</param>
    /// <param name="body">Writes what is in <c>main</c>.</param>
    public static void Write(TextWriter output, string title, Action<Markup> body) => Write(output, title, PageParts.Common, body);

    /// <summary>Writes a page that has styles or a script of its own.</summary>
    /// <inheritdoc cref="Write(TextWriter, string, Action{Markup})"/>
    /// <param name="output">Where to; it stays open.</param>
    /// <param name="title">Title of the window.</param>
    /// <param name="parts">Its styles and its script.</param>
    /// <param name="body">Writes what is in <c>main</c>.</param>
    public static void Write(TextWriter output, string title, PageParts parts, Action<Markup> body)
    {
        using var page = new Markup(output);
        page.DocumentType();
        using (page.In("html", ("lang", "en")))
        {
            using (page.In("head"))
            {
                page.Empty("meta", ("charset", "utf-8"));
                page.Empty("meta", ("http-equiv", "Content-Security-Policy"), ("content", parts.ContentSecurityPolicy));
                page.Empty("meta", ("name", "viewport"), ("content", "width=device-width, initial-scale=1"));
                page.Empty("meta", ("name", "color-scheme"), ("content", "light dark"));
                page.Element("title", title);
                page.Style(parts.Styles);
            }

            using (page.In("body"))
            {
                using (page.In("main")) body(page);
                if (parts.Script.Length > 0) page.Script(parts.Script);
            }
        }
    }
}
