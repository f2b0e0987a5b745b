namespace GrpcLlm.Pages;

/// <summary>A few figures that belong together, with a name and, on hover or focus, what they mean.</summary>
internal static class Tile
{
    /// <summary>Writes a tile.</summary>
    /// <param name="markup">Where to.</param>
    /// <param name="label">Its name, unique on the page.</param>
    /// <param name="definition">What its figures mean.</param>
    /// <param name="figures">The figures, each with its unit or name, and whether it is one to worry about.</param>
    public static void Write(Markup markup, string label, string definition, params ReadOnlySpan<(string Figure, string Unit, bool Bad)> figures)
    {
        using (markup.In("div", ("class", "tile")))
        {
            using (markup.In("p", ("class", "label")))
            {
                var id = "tip-" + label.Replace(' ', '-');
                markup.Element("span", label, ("class", "term"), ("tabindex", "0"), ("aria-describedby", id));
                markup.Element("span", definition, ("class", "tip"), ("role", "tooltip"), ("id", id));
            }

            using (markup.In("div", ("class", "pair")))
            {
                foreach (var (figure, unit, bad) in figures)
                {
                    using (markup.In("p"))
                    {
                        markup.Element("span", figure, ("class", bad ? "figure bad" : "figure"));
                        markup.Element("span", unit, ("class", "unit"));
                    }
                }
            }
        }
    }
}
