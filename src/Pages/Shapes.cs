namespace GrpcLlm.Pages;

/// <summary>The shapes of a drawing. A place or length of x is text, as it may be a share of the width; of y it is pixels.</summary>
internal static class Shapes
{
    /// <summary>A straight line.</summary>
    public static void Line(this Markup markup, string style, string x1, string x2, double y1, double y2) => markup.Empty(
        "line", ("class", style), ("x1", x1), ("x2", x2), ("y1", Figures.Coordinate(y1)), ("y2", Figures.Coordinate(y2)));

    /// <summary>A rectangle; <paramref name="tip"/> is told when the pointer is over it.</summary>
    public static void Rectangle(
        this Markup markup, string style, string x, string width, double y, double height, string? fill = null, string? tip = null)
    {
        using (markup.In("rect", ("class", style), ("fill", fill), ("x", x), ("width", width),
            ("y", Figures.Coordinate(y)), ("height", Figures.Coordinate(height))))
        {
            if (tip is not null) markup.Element("title", tip);
        }
    }

    /// <summary>Text; <paramref name="shift"/> moves it right by pixels, <paramref name="anchor"/> is SVG's text-anchor.</summary>
    public static void Label(
        this Markup markup, string text, string? style, string x, double y, double shift = 0, string? anchor = null) => markup.Element(
        "text", text, ("class", style), ("x", x), ("dx", shift == 0 ? null : Figures.Coordinate(shift)),
        ("y", Figures.Coordinate(y)), ("text-anchor", anchor));
}
