namespace GrpcLlm.Pages;

/// <summary>A value with its interval.</summary>
/// <param name="Style"><c>better</c> and <c>worse</c> have a filled dot, <c>same</c> a hollow one.</param>
/// <param name="Low">Lower end of the interval.</param>
/// <param name="Value">The value.</param>
/// <param name="High">Upper end of the interval.</param>
/// <param name="Label">What it means, at the end of the row; may be empty.</param>
/// <param name="Text">All about it, for the pointer.</param>
internal sealed record IntervalRow(string Style, double Low, double Value, double High, string Label, string Text);

/// <summary>Values with their intervals, one a row, for a y axis of <see cref="Axis.Rows"/>.</summary>
internal sealed record IntervalLayer(IReadOnlyList<IntervalRow> Rows) : Layer
{
    /// <inheritdoc/>
    public override void Draw(Markup markup, PlotFrame frame)
    {
        var height = frame.Height / Rows.Count;
        for (var i = 0; i < Rows.Count; i++)
        {
            var row = Rows[i];
            var top = frame.Top(i);
            var middle = Figures.Coordinate(top);
            using (markup.In("g", ("class", row.Style)))
            {
                markup.Element("title", row.Text);
                markup.Empty("rect", ("class", "hover"), ("x", "0"), ("width", "100%"), ("y", Figures.Coordinate(top - (height / 2))), ("height", Figures.Coordinate(height)));
                markup.Empty("line", ("class", "interval"), ("x1", frame.Left(row.Low)), ("x2", frame.Left(row.High)), ("y1", middle), ("y2", middle));
                foreach (var end in (double[])[row.Low, row.High])
                    markup.Empty("line", ("class", "interval"), ("x1", frame.Left(end)), ("x2", frame.Left(end)), ("y1", Figures.Coordinate(top - 5)), ("y2", Figures.Coordinate(top + 5)));
                markup.Empty("circle", ("class", row.Style == "same" ? "hollow" : "middle"), ("cx", frame.Left(row.Value)), ("cy", middle), ("r", "5"));
                if (row.Label.Length > 0) markup.Element("text", row.Label, ("class", "line-label"), ("x", "100%"), ("dx", "6"), ("y", middle), ("dy", "4"));
            }
        }
    }
}
