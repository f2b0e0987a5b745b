namespace GrpcLlm.Pages;

/// <summary>
/// Patterns for areas of the series <c>s1</c> to <c>s6</c> and for waiting in a queue, so that none is told by its colour
/// alone. The first series is plain.
/// </summary>
internal static class PlotPatterns
{
    /// <summary>How many series there are.</summary>
    public const int Count = 6;

    private static readonly Dictionary<string, string> Strokes = new(StringComparer.Ordinal)
    {
        ["s2"] = "M-1 5L5 -1M-1 9L9 -1M3 9L9 3",
        ["s3"] = "M0 4H8",
        ["s4"] = "M4 0V8",
        ["s5"] = "M-1 3L5 9M-1 -1L9 9M3 -1L9 5",
        ["s6"] = "M0 4H8M4 0V8",
        [SpanKinds.Queue] = "M-1 5L5 -1M-1 9L9 -1M3 9L9 3",
    };

    /// <summary>The fill of an area of a series; null: the style sheet's plain colour.</summary>
    public static string? Fill(string id, string style) => Strokes.ContainsKey(style) ? $"url(#{id}-{style})" : null;

    /// <summary>Defines the patterns of those series.</summary>
    public static void Write(Markup markup, string id, IEnumerable<string> styles)
    {
        using (markup.In("defs"))
        {
            foreach (var style in styles.Where(Strokes.ContainsKey))
            {
                using (markup.In("pattern", ("id", $"{id}-{style}"), ("class", style), ("width", "8"), ("height", "8"),
                    ("patternUnits", "userSpaceOnUse")))
                {
                    markup.Rectangle("plain", "0", "8", 0, 8);
                    markup.Empty("path", ("class", "hatch"), ("d", Strokes[style]));
                }
            }
        }
    }
}
