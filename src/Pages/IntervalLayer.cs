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
            using (markup.In("g", ("class", row.Style)))
            {
                markup.Element("title", row.Text);
                markup.Rectangle("hover", "0", "100%", top - (height / 2), height);
                markup.Line("interval", frame.Left(row.Low), frame.Left(row.High), top, top);
                foreach (var end in (double[])[row.Low, row.High])
                    markup.Line("interval", frame.Left(end), frame.Left(end), top - 5, top + 5);
                var dot = row.Style == "same" ? "hollow" : "middle";
                markup.Empty("circle", ("class", dot), ("cx", frame.Left(row.Value)), ("cy", Figures.Coordinate(top)), ("r", "5"));
                if (row.Label.Length > 0) markup.Label(row.Label, "line-label", "100%", top + 4, shift: 6);
            }
        }
    }
}
