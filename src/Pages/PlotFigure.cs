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
        var height = frame.Height;
        foreach (var tick in frame.Y.Ticks)
        {
            var top = (1 - tick.At) * frame.Height;
            if (!frame.Y.HasRows) markup.Line("grid", "0", "100%", top, top);
            markup.Label(tick.Label, null, "0", top + 4, shift: -8, anchor: "end");
        }

        markup.Line("axis", "0", "100%", height, height);
        foreach (var tick in frame.X.Ticks)
        {
            var left = PlotFrame.Percent(tick.At);
            if (frame.Y.HasRows) markup.Line("grid", left, left, 0, height);
            markup.Line("axis", left, left, height, height + 4);
            markup.Label(tick.Label, null, left, height + 18, anchor: "middle");
        }

        if (frame.X.Title.Length > 0)
            markup.Label(frame.X.Title, null, "50%", height + 36, anchor: "middle");
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
            markup.Label(label, $"line-label {style}", "100%", top + 4, shift: 6);
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
                    markup.Rectangle($"bar {entry.Style}", "0", "22", 0, 12, PlotPatterns.Fill(id, entry.Style));
                    break;
                case LegendShape.Span:
                    SpanLayer.WriteSpan(markup, id, entry.Style, "0", "22", 6, 10);
                    break;
                default:
                    markup.Label("\u2715", "cross", "11", 10, anchor: "middle");
                    break;
            }
        }
    }
}
