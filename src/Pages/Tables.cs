namespace GrpcLlm.Pages;

/// <summary>Tables of text: the first cell of a row names it, the others are right-aligned figures.</summary>
internal static class Tables
{
    /// <summary>
    /// Writes a table that scrolls sideways where it is too wide, with a name for those who cannot see it. The style
    /// <c>words</c> is for cells of words, which are left-aligned.
    /// </summary>
    public static void Write(Markup markup, PlotTable table, string name, string? style = null)
    {
        using (markup.In("div", ("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", name)))
        using (markup.In("table", ("class", style)))
        {
            using (markup.In("thead"))
            using (markup.In("tr"))
            {
                foreach (var title in table.Head) markup.Element("th", title, ("scope", "col"));
            }

            using (markup.In("tbody"))
            {
                foreach (var row in table.Rows)
                {
                    using (markup.In("tr"))
                    {
                        markup.Element("th", row[0], ("scope", "row"));
                        foreach (var cell in row.Skip(1)) markup.Element("td", cell);
                    }
                }
            }
        }

        if (table.Note.Length > 0) markup.Element("p", table.Note, ("class", "note"));
    }
}
