namespace GrpcLlm.Pages;

/// <summary>Writes plots: title, drawing with a text alternative, legend, and the table behind it.</summary>
internal static class PlotFigure
{
    /// <summary>Pixels between two labels at the ends of lines.</summary>
    private const double LabelDistance = 14;

    /// <summary>Writes a plot.</summary>
    public static void Write(Markup markup, Plot plot)
    {
        using (markup.In("figure", ("class", plot.Wide ? "card wide" : "card"), ("id", plot.Id)))
        {
            WriteCaption(markup, plot.Title, plot.Note);
            WriteLegend(markup, plot);
            using (markup.In("div", ("class", plot.HasNamedRows ? "frame named" : "frame"))) WriteDrawing(markup, plot);
            using (markup.In("details"))
            {
                markup.Element("summary", "Table");
                Tables.Write(markup, plot.Table, plot.Title);
            }
        }
    }

    /// <summary>Writes what stands where a plot would be, had there been anything to draw.</summary>
    public static void WriteEmpty(Markup markup, string id, string title, string why)
    {
        using (markup.In("figure", ("class", "card"), ("id", id)))
        {
            WriteCaption(markup, title, "");
            markup.Element("p", why, ("class", "empty"));
        }
    }

    private static void WriteCaption(Markup markup, string title, string note)
    {
        using (markup.In("figcaption"))
        {
            markup.Element("h3", title);
            if (note.Length > 0) markup.Element("p", note, ("class", "note"));
        }
    }

    private static void WriteDrawing(Markup markup, Plot plot)
    {
        var frame = new PlotFrame(plot.X, plot.Y, plot.Height, plot.Id);
        using (markup.In("svg", ("class", "plot"), ("role", "img"), ("width", "100%"), ("height", Figures.Coordinate(plot.Height)),
            ("aria-labelledby", $"{plot.Id}-title {plot.Id}-desc")))
        {
            markup.Element("title", plot.Title, ("id", $"{plot.Id}-title"));
            markup.Element("desc", plot.Description, ("id", $"{plot.Id}-desc"));
            PlotPatterns.Write(markup, plot.Id, plot.Layers.SelectMany(layer => layer.Areas).Distinct(StringComparer.Ordinal));
            WriteAxes(markup, frame);
            foreach (var layer in plot.Layers) layer.Draw(markup, frame);
            WriteLineLabels(markup, frame, [.. plot.Layers.OfType<LineLayer>()]);
        }
    }

    private static void WriteAxes(Markup markup, PlotFrame frame)
    {
        var height = Figures.Coordinate(frame.Height);
        foreach (var tick in frame.Y.Ticks)
        {
            var top = Figures.Coordinate((1 - tick.At) * frame.Height);
            if (!frame.Y.HasRows) markup.Empty("line", ("class", "grid"), ("x1", "0"), ("x2", "100%"), ("y1", top), ("y2", top));
            markup.Element("text", tick.Label, ("x", "0"), ("dx", "-8"), ("y", top), ("dy", "4"), ("text-anchor", "end"));
        }

        markup.Empty("line", ("class", "axis"), ("x1", "0"), ("x2", "100%"), ("y1", height), ("y2", height));
        foreach (var tick in frame.X.Ticks)
        {
            var left = PlotFrame.Percent(tick.At);
            if (frame.Y.HasRows) markup.Empty("line", ("class", "grid"), ("x1", left), ("x2", left), ("y1", "0"), ("y2", height));
            markup.Empty("line", ("class", "axis"), ("x1", left), ("x2", left), ("y1", height), ("y2", Figures.Coordinate(frame.Height + 4)));
            markup.Element("text", tick.Label, ("x", left), ("y", Figures.Coordinate(frame.Height + 18)), ("text-anchor", "middle"));
        }

        if (frame.X.Title.Length > 0)
            markup.Element("text", frame.X.Title, ("x", "50%"), ("y", Figures.Coordinate(frame.Height + 36)), ("text-anchor", "middle"));
    }

    /// <summary>Names lines where they end, one below the other where they end close together.</summary>
    private static void WriteLineLabels(Markup markup, PlotFrame frame, IReadOnlyList<LineLayer> lines)
    {
        // Where two end at the same height, the one that is drawn first is above.
        var ends = lines.Reverse()
            .Where(line => line.Label.Length > 0 && line.Points.Any(point => !double.IsNaN(point.Y)))
            .Select(line => (line.Style, line.Label, Point: line.Points.Last(point => !double.IsNaN(point.Y))))
            .OrderByDescending(end => frame.Top(end.Point.Y));
        var lowest = frame.Height;
        foreach (var (style, label, point) in ends)
        {
            var top = Math.Min(frame.Top(point.Y), lowest);
            lowest = top - LabelDistance;
            markup.Element("text", label, ("class", $"line-label {style}"), ("x", "100%"), ("dx", "6"), ("y", Figures.Coordinate(top)), ("dy", "4"));
        }
    }

    private static void WriteLegend(Markup markup, Plot plot)
    {
        if (plot.Legend.Count == 0) return;
        using (markup.In("ul", ("class", "legend")))
        {
            foreach (var entry in plot.Legend)
            {
                using (markup.In("li"))
                {
                    WriteSample(markup, plot.Id, entry);
                    markup.Text(entry.Label);
                }
            }
        }
    }

    private static void WriteSample(Markup markup, string id, LegendEntry entry)
    {
        using (markup.In("svg", ("width", "22"), ("height", "12"), ("aria-hidden", "true"), ("class", "sample")))
        {
            switch (entry.Shape)
            {
                case LegendShape.Line:
                    markup.Empty("path", ("class", $"line {entry.Style}"), ("d", "M1 6H21"));
                    break;
                case LegendShape.Area:
                    markup.Empty("rect", ("class", $"bar {entry.Style}"), ("fill", PlotPatterns.Fill(id, entry.Style)), ("x", "0"), ("width", "22"), ("y", "0"), ("height", "12"));
                    break;
                case LegendShape.Span:
                    SpanLayer.WriteSpan(markup, id, entry.Style, "0", "22", 6, 10);
                    break;
                default:
                    markup.Element("text", "\u2715", ("class", "cross"), ("x", "11"), ("y", "10"), ("text-anchor", "middle"));
                    break;
            }
        }
    }
}
